"""One JSON record to one row: the slow path, which decides whenever the fast one is not sure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Never

from ingest.codec.values import Failure, FloatText, JsonObject, MinusZero, convert_members
from lake.types import Field

EMPTY = "empty"
JSON = "json"

# More digits fit into no column; int() of megabytes would take minutes.
_MOST_DIGITS = 309


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A decoded record; with failures, `values` holds what could be read."""

    values: dict[str, Any]
    failures: tuple[Failure, ...] = ()


class _InvalidError(ValueError):
    """A document that is no JSON, for a reason that json itself doesn't check."""


def decode_row(payload: bytes | None, fields: tuple[Field, ...]) -> Row:
    """Read one record; never raises."""
    document = read_object(payload)
    if isinstance(document, Row):
        return document
    failures: list[Failure] = []
    return Row(values=convert_members(document, fields, "", failures), failures=tuple(failures))


def read_object(payload: bytes | None) -> JsonObject | Row:
    """Return the object that a record is, or the row that says why it is none; never raises."""
    if payload is None or not payload.strip():
        return refused(EMPTY, "the record has no value")
    try:
        document = _parse(payload)
    except UnicodeDecodeError as error:
        return refused(JSON, f"no UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return refused(JSON, f"{error.msg} at character {error.pos}")
    except _InvalidError as error:
        return refused(JSON, str(error))
    except RecursionError:
        return refused(JSON, "nested too deeply")
    return document if isinstance(document, JsonObject) else refused(JSON, "the record is no object")


def refused(rule: str, message: str) -> Row:
    """Return the row of a record that can't be read."""
    return Row(values={}, failures=(Failure(rule=rule, path="", message=message),))


def _parse(payload: bytes) -> Any:
    text = payload.decode("utf-8")
    document = json.loads(
        text,
        object_pairs_hook=JsonObject,
        parse_int=_integer,
        parse_float=FloatText,
        parse_constant=_constant,
    )
    if "\\u" in text:
        _refuse_surrogates(document)
    return document


def _integer(text: str) -> int | FloatText:
    if text == "-0":
        return MinusZero()
    return int(text) if len(text) <= _MOST_DIGITS else FloatText(text)


def _constant(text: str) -> Never:
    raise _InvalidError(f"{text} is no JSON")


def _refuse_surrogates(value: Any) -> None:
    """Refuse half of a surrogate pair anywhere, also in members that nobody asked for."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise _InvalidError("a string holds half of a surrogate pair") from None
    elif isinstance(value, dict):
        for name, item in value.items():
            _refuse_surrogates(name)
            _refuse_surrogates(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_surrogates(item)

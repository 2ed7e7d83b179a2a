"""Guess columns from records as JSON gives them; numbers with a fraction come as `Decimal`, digits kept.

A column gets the narrowest type that every value of the sample has. Whole numbers are 64 bits, because a
sample proves no bound. Numbers with a fraction are exact decimals while their digits are few, else
doubles. Columns whose values have no type in common are left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal as Number
from typing import Any

_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(?P<zone>Z|[+-]\d{2}:\d{2})?\Z")
_PERSONAL = re.compile(
    r"(^|_)(e?mail|phone|mobile|first_?name|last_?name|full_?name|surname|birth\w*|dob|ssn|iban|address"
    r"|street|postcode|zip|ip|ip_address|passport|gender)(_|$)"
)
_MOST_PLACES = 6  # digits after the point that still look like an amount
_MOST_LISTED = 12
_SEEN_EACH = 5  # a value has to come so often on average before a list of values is guessed
_LONG = 2**63
_RESERVED = frozenset({"meta", "change"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One column, in the words of the standard; `places` are digits after the point, -1 for a double."""

    name: str
    logical: str
    required: bool
    places: int = 0
    whole: int = 0  # digits before the point
    zone: bool = True
    allowed: tuple[str, ...] = ()
    personal: bool = False
    members: tuple[Guess, ...] = ()
    item: Guess | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessed:
    """The columns of a sample; `left_out` says why some names are none of them."""

    columns: tuple[Guess, ...]
    key: tuple[str, ...]
    event_time: str
    left_out: tuple[str, ...] = field(default=())


def guess_columns(records: Sequence[Mapping[str, Any]]) -> Guessed:
    """Return the columns that the records have in common, a key that tells them apart, and a time."""
    left_out: list[str] = []
    columns = tuple(_members(records, "", left_out))
    key = _key(records, columns)
    marked = tuple(
        column if column.name not in key or column.required else _with_required(column) for column in columns
    )
    times = [c for c in marked if c.logical in {"timestamp", "date"} and c.required]
    event = sorted(times, key=lambda c: c.logical != "timestamp")
    return Guessed(
        columns=marked,
        key=key,
        event_time=event[0].name if event else "",
        left_out=tuple(left_out),
    )


def _with_required(column: Guess) -> Guess:
    return replace(column, required=True)


def _members(records: Sequence[Mapping[str, Any]], parent: str, left_out: list[str]) -> Iterable[Guess]:
    names = dict.fromkeys(name for record in records for name in record)
    for name in names:
        path = f"{parent}{name}"
        if not _NAME.match(name) or (not parent and name in _RESERVED):
            left_out.append(f"{path}: rename it, columns are of a-z, 0-9 and _")
            continue
        values = [record.get(name) for record in records]
        found = _column(name, values, path, left_out)
        if found is not None:
            yield found


def _column(name: str, values: Sequence[Any], path: str, left_out: list[str]) -> Guess | None:
    present = [v for v in values if v is not None]
    required = len(present) == len(values) and bool(values)
    personal = _PERSONAL.search(name) is not None
    if not present:
        return Guess(name=name, logical="string", required=False, personal=personal)
    kinds = {_kind(v) for v in present}
    if kinds <= {"integer", "number"}:
        return _number(name, present, required=required)
    if kinds <= {"date", "timestamp", "local", "string"} and len(kinds) > 1:
        kinds = {"string"}
    if len(kinds) > 1:
        left_out.append(f"{path}: its values are {' and '.join(sorted(kinds))}")
        return None
    match kinds.pop():
        case "object":
            members = tuple(_members(present, f"{path}.", left_out))
            if not members:
                left_out.append(f"{path}: its objects have no members in the sample")
                return None
            return Guess(name=name, logical="object", required=required, personal=personal, members=members)
        case "array":
            return _array(name, present, path, left_out, required=required)
        case "local":
            return Guess(name=name, logical="timestamp", required=required, zone=False)
        case "string":
            allowed = () if personal else _allowed(present)
            return Guess(name=name, logical="string", required=required, personal=personal, allowed=allowed)
        case kind:
            return Guess(name=name, logical=kind, required=required, personal=personal)


def _array(name: str, rows: Sequence[Any], path: str, left_out: list[str], *, required: bool) -> Guess | None:
    item = _column("item", [value for row in rows for value in row], f"{path}[]", left_out)
    return None if item is None else Guess(name=name, logical="array", required=required, item=item)


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer" if -_LONG <= value < _LONG else "number"
        case float() | Number():
            return "number"
        case Mapping():
            return "object"
        case list():
            return "array"
    text = str(value)
    if _DATE.match(text) and _is_time(text):
        return "date"
    if (match := _TIME.match(text)) and _is_time(text):
        return "timestamp" if match["zone"] else "local"
    return "string"


def _is_time(text: str) -> bool:
    try:
        date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _number(name: str, values: Sequence[Any], *, required: bool) -> Guess:
    if all(isinstance(v, int) and -_LONG <= v < _LONG for v in values):
        return Guess(name=name, logical="integer", required=required)
    exact = [v for v in values if isinstance(v, int | Number)]
    places = max((-int(Number(v).as_tuple().exponent) for v in exact), default=0)
    whole = max((len(str(abs(int(v)))) for v in exact), default=0)
    is_amount = len(exact) == len(values) and 0 <= places <= _MOST_PLACES and whole + places <= 30
    shown = max(places, 0) if is_amount else -1
    return Guess(name=name, logical="number", required=required, places=shown, whole=whole)


def _allowed(values: Sequence[Any]) -> tuple[str, ...]:
    distinct = sorted(set(map(str, values)))
    few = 1 < len(distinct) <= _MOST_LISTED and len(values) >= _SEEN_EACH * len(distinct)
    return tuple(distinct) if few else ()


def _key(records: Sequence[Mapping[str, Any]], columns: Sequence[Guess]) -> tuple[str, ...]:
    """Return the first column, or pair, that tells all records apart; names that look like keys first."""
    usable = [
        c.name
        for c in columns
        if c.required and c.logical in {"integer", "string", "timestamp", "date"} and not c.allowed
    ]
    ordered = sorted(
        usable, key=lambda n: (n != "id", not n.endswith("_id"), "key" not in n and "code" not in n)
    )
    pairs = [(a, b) for i, a in enumerate(ordered[:8]) for b in ordered[i + 1 : 8]]
    for candidate in [*((n,) for n in ordered), *pairs]:
        if len({tuple(str(r[n]) for n in candidate) for r in records}) == len(records):
            return candidate
    return tuple(ordered[:1])

"""Find values in an answer: dotted paths or JSONPath (RFC 9535, by python-jsonpath), bytes untouched.

JSONPath is evaluated on a decoded copy and tells only where the values are; their bytes are then cut out
of the answer, so that a record reaches the contract check, and quarantine, as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonpath
import msgspec

from lake.errors import LakeError, first_line

Location = tuple[str | int, ...]

_as_mapping = msgspec.json.Decoder(dict[str, msgspec.Raw])
_as_list = msgspec.json.Decoder(list[msgspec.Raw])


class SelectionError(LakeError):
    """A path that can't be read."""


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path: dotted names, or a JSONPath expression."""

    text: str
    names: tuple[str, ...] = ()
    expression: Any = None

    def find(self, body: bytes) -> list[bytes] | None:
        """Return the raw values at the path: one for a dotted path, any number for JSONPath.

        None when a dotted path leads nowhere. Raises msgspec.DecodeError for what is no JSON.
        """
        if self.expression is None:
            found = _follow(body, self.names)
            return None if found is None else [found]
        document = msgspec.json.decode(body)
        cut = _Cutter(body)
        return [cut.at(tuple(match.parts)) for match in self.expression.finditer(document)]


@cache
def compile_path(text: str) -> Path:
    """Read a path: `$…` is JSONPath, anything else dotted names; raises SelectionError."""
    if not text.startswith("$"):
        return Path(text, names=tuple(text.split(".")) if text else ())
    try:
        return Path(text, expression=jsonpath.compile(text))
    except jsonpath.JSONPathError as error:
        raise SelectionError(f"{text} is no JSONPath: {first_line(error)}") from error


def elements(body: bytes) -> list[bytes]:
    """Return the raw elements of a JSON array."""
    return [bytes(item) for item in _as_list.decode(body)]


def _follow(body: bytes, names: tuple[str, ...]) -> bytes | None:
    found: msgspec.Raw | None = msgspec.Raw(body)
    for name in names:
        if found is None:
            return None
        found = _as_mapping.decode(found).get(name)
    return None if found is None else bytes(found)


class _Cutter:
    """Cuts values out of one document; each container on the way is opened once."""

    def __init__(self, body: bytes) -> None:
        self._opened: dict[Location, dict[str, msgspec.Raw] | list[msgspec.Raw]] = {}
        self._body = msgspec.Raw(body)

    def at(self, location: Location) -> bytes:
        return bytes(self._raw(location))

    def _raw(self, location: Location) -> msgspec.Raw:
        if not location:
            return self._body
        around, last = location[:-1], location[-1]
        if around not in self._opened:
            container = self._raw(around)
            decode = _as_list.decode if isinstance(last, int) else _as_mapping.decode
            self._opened[around] = decode(container)
        opened: Any = self._opened[around]
        value: msgspec.Raw = opened[last]
        return value


def texts(found: list[bytes] | None) -> Iterator[str]:
    """Yield the found scalars as text; null counts as nothing found."""
    for raw in found or ():
        value = msgspec.json.decode(raw, type=str | int | None)
        if value is not None:
            yield str(value)

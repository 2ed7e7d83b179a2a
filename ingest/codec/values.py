"""JSON values to column values, one by one: this module defines what a record means.

boolean      true, false
int, long    an integer literal within the range; 3.0, 1e2 and "5" are none
decimal      a number, or a string that holds one, exactly representable with the column's digits
double       a number within the range of IEEE 754
string       a string; lone surrogates are no text
binary       a string of Base64
date         "YYYY-MM-DD", years 1 to 9999
timestamptz  "YYYY-MM-DDThh:mm:ss[.f]" and "Z" or an offset; f has up to six digits; T may be a space
timestamp    the same without zone
object       only known members count; twice the same known member is an error
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Number
from typing import Any, TypeVar

from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_T = TypeVar("_T")

TYPE = "type"
DUPLICATE = "duplicate"

TIMESTAMP = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
ZONE = r"(Z|[+-]\d{2}:\d{2})"
_TIMESTAMP = re.compile(TIMESTAMP, re.ASCII)
_TIMESTAMPTZ = re.compile(TIMESTAMP + ZONE, re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  times without zone count from it too
_SHOWN = 60
_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    str: "a string",
    list: "an array",
    dict: "an object",
}


class FloatText(str):
    """A number with point or exponent as it was written: its digits are not yet lost."""

    __slots__ = ()


class MinusZero(int):
    """`-0`: an integer like 0, but a double of its own."""

    __slots__ = ()


class JsonObject(dict[str, Any]):
    """An object that remembers which members came twice."""

    __slots__ = ("repeated",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated: frozenset[str] = frozenset()
        if len(self) != len(pairs):
            names = [name for name, _ in pairs]
            self.repeated = frozenset(n for n in self if names.count(n) > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One reason why a record is not accepted; `path` is dotted, empty for the record itself."""

    rule: str
    path: str
    message: str


class UnfitError(Exception):
    """A value that its column can't hold; never leaves the codec."""


def convert_members(
    value: JsonObject, fields: tuple[Field, ...], parent: str, failures: list[Failure]
) -> dict[str, Any]:
    """Return the known members as column values; what doesn't fit is None and a failure."""
    row: dict[str, Any] = {}
    for field in fields:
        path = f"{parent}{field.name}"
        if field.name in value.repeated:
            failures.append(Failure(rule=DUPLICATE, path=path, message="the member stands there twice"))
            row[field.name] = None
            continue
        row[field.name] = convert(value.get(field.name), field.type, path, failures)
    return row


def convert(value: Any, kind: FieldType, path: str, failures: list[Failure]) -> Any:
    """Return the column value of one JSON value; null stays null."""
    if value is None:
        return None
    try:
        match kind:
            case Primitive():
                return _PRIMITIVES[kind](value)
            case Decimal():
                return _decimal(value, kind)
            case Struct():
                return convert_members(_object(value), kind.fields, f"{path}.", failures)
            case ListOf():
                return [
                    convert(item, kind.element, f"{path}[{number}]", failures)
                    for number, item in enumerate(_expect(value, list, "an array"))
                ]
            case MapOf():
                return [
                    (
                        convert(name, kind.key, f"{path}.{name}", failures),
                        convert(item, kind.value, path, failures),
                    )
                    for name, item in _object(value).items()
                ]
    except UnfitError as error:
        failures.append(Failure(rule=TYPE, path=path, message=str(error)))
        return None


def _expect(value: Any, kind: type, wanted: str) -> Any:
    if type(value) is not kind:
        raise UnfitError(f"{_show(value)} is not {wanted}")
    return value


def _object(value: Any) -> JsonObject:
    if not isinstance(value, JsonObject):
        raise UnfitError(f"{_show(value)} is not an object")
    return value


def _integer(bits: int) -> Callable[[Any], int]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def to_integer(value: Any) -> int:
        if isinstance(value, MinusZero):
            return 0
        number: int = _expect(value, int, "an integer")
        if not low <= number <= high:
            raise UnfitError(f"{_show(value)} does not fit into {bits} bits")
        return number

    return to_integer


def _double(value: Any) -> float:
    if isinstance(value, MinusZero):
        return -0.0
    if type(value) is not int and not isinstance(value, FloatText):
        raise UnfitError(f"{_show(value)} is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise UnfitError(f"{_show(value)} is too large for a double")
    return number


def _decimal(value: Any, kind: Decimal) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UnfitError(f"{_show(value)} is not a number")
    text = str(value)
    if not _NUMBER.fullmatch(text):
        raise UnfitError(f"{_show(value)} is not a number")
    return exact_decimal(Number(text), kind, str(_show(value)))


def exact_decimal(number: Number, kind: Decimal, shown: str) -> Number:
    """Return a finite number with the digits of its column; raises UnfitError when it has others."""
    if not number:
        return Number(0).scaleb(-kind.scale)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    significant = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(significant)
    if exponent < -kind.scale:
        raise UnfitError(f"{shown} has more than {kind.scale} digits after the point")
    if len(significant) + exponent > kind.precision - kind.scale:
        raise UnfitError(f"{shown} has more than {kind.precision - kind.scale} digits before the point")
    scaled = int(significant) * 10 ** (exponent + kind.scale)
    return Number((sign, tuple(map(int, str(scaled))), -kind.scale))


def moment(microseconds: int) -> datetime:
    """Return a time without zone from microseconds since 1970; raises UnfitError beyond years 1 to 9999."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise UnfitError(f"{microseconds} microseconds since 1970 are beyond the years 1 to 9999") from None


def day(days: int) -> date:
    """Return the date so many days after 1970-01-01; raises UnfitError beyond years 1 to 9999."""
    try:
        return date.fromordinal(days + _EPOCH.toordinal())
    except (ValueError, OverflowError):
        raise UnfitError(f"{days} days since 1970 are beyond the years 1 to 9999") from None


def _string(value: Any) -> str:
    if type(value) is not str:
        raise UnfitError(f"{_show(value)} is not a string")
    return value


def _binary(value: Any) -> bytes:
    try:
        return base64.b64decode(_string(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnfitError(f"{_show(value)} is not Base64") from error


def _written(value: Any, form: re.Pattern[str], read: Callable[[str], _T], what: str) -> _T:
    """Read a string of a form; what it says must be in the calendar too."""
    text = _string(value)
    try:
        if not form.fullmatch(text):
            raise ValueError  # noqa: TRY301  one message for form and calendar
        return read(text)
    except (ValueError, OverflowError):
        raise UnfitError(f"{_show(value)} is not {what}") from None


def _date(value: Any) -> date:
    return _written(value, _DATE, date.fromisoformat, "a date of the form YYYY-MM-DD")


def _timestamptz(value: Any) -> datetime:
    return _written(
        value,
        _TIMESTAMPTZ,
        lambda text: datetime.fromisoformat(text).astimezone(UTC),
        "a time with zone (RFC 3339)",
    )


def _timestamp(value: Any) -> datetime:
    return _written(value, _TIMESTAMP, datetime.fromisoformat, "a time without zone")


_PRIMITIVES: Mapping[Primitive, Callable[[Any], Any]] = {
    Primitive.BOOLEAN: lambda value: _expect(value, bool, "a boolean"),
    Primitive.INT: _integer(32),
    Primitive.LONG: _integer(64),
    Primitive.DOUBLE: _double,
    Primitive.STRING: _string,
    Primitive.BINARY: _binary,
    Primitive.DATE: _date,
    Primitive.TIMESTAMP: _timestamp,
    Primitive.TIMESTAMPTZ: _timestamptz,
}


def _show(value: Any) -> str:
    """Name what came instead, without the value: it may be personal data; numbers are shown."""
    if isinstance(value, FloatText):
        return str(value)[:_SHOWN]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:_SHOWN]
    return _NAMES.get(dict if isinstance(value, JsonObject) else type(value), "a value")

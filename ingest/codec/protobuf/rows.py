"""One Protobuf message to one row: the slow path, which decides whenever the fast one is not sure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.message import DecodeError

from ingest.codec.protobuf.fit import Fit
from ingest.codec.protobuf.mirror import field_name
from ingest.codec.rows import Row
from ingest.codec.values import TYPE, Failure, UnfitError, convert, moment
from lake.types import Decimal, ListOf, MapOf, Primitive, Struct

PROTOBUF = "protobuf"

_BITS = {Primitive.INT: 31, Primitive.LONG: 63}
_NANOS = 1_000_000_000


def decode_row(payload: bytes, read: Callable[[bytes], Any], fits: tuple[Fit, ...]) -> Row:
    """Read one message by the mirror's class; never raises."""
    try:
        message = read(payload)
    except (DecodeError, RecursionError) as error:
        reason = str(error).rsplit(": ", 1)[-1] or type(error).__name__
        failure = Failure(rule=PROTOBUF, path="", message=f"the bytes are no such message: {reason}")
        return Row(values={}, failures=(failure,))
    failures: list[Failure] = []
    return Row(values=_members(message, fits, "", failures), failures=tuple(failures))


def _members(message: Any, fits: Sequence[Fit], parent: str, failures: list[Failure]) -> dict[str, Any]:
    return {
        fit.name: _field(message, field_name(place), fit, f"{parent}{fit.name}", failures)
        for place, fit in enumerate(fits)
    }


def _field(message: Any, name: str, fit: Fit, path: str, failures: list[Failure]) -> Any:
    if not fit.number:
        return None
    if isinstance(fit.kind, ListOf):
        part = fit.parts[0]
        return [_value(v, part, f"{path}[{n}]", failures) for n, v in enumerate(getattr(message, name))]
    if isinstance(fit.kind, MapOf):
        entries = (_members(entry, fit.parts, f"{path}.", failures) for entry in getattr(message, name))
        return list({entry["key"]: entry["value"] for entry in entries}.items())
    if fit.has_presence and not message.HasField(name):
        return None
    return _value(getattr(message, name), fit, path, failures)


def _value(value: Any, fit: Fit, path: str, failures: list[Failure]) -> Any:
    """Return the column value of one value; what doesn't fit is None and a failure."""
    if fit.is_wrapper:
        return _value(getattr(value, field_name(0)), fit.parts[0], path, failures)
    if isinstance(fit.kind, Struct):
        return _members(value, fit.parts, f"{path}.", failures)
    if fit.is_text and fit.kind is not Primitive.STRING:
        return convert(value, fit.kind, path, failures)
    try:
        return _scalar(value, fit)
    except UnfitError as error:
        failures.append(Failure(rule=TYPE, path=path, message=str(error)))
        return None


def _scalar(value: Any, fit: Fit) -> Any:
    if fit.names:
        return _enum_name(value, fit)
    match fit.kind:
        case Decimal():
            return _decimal(value, fit.kind)
        case Primitive.INT | Primitive.LONG:
            bits = _BITS[fit.kind]
            if not -(2**bits) <= value < 2**bits:
                raise UnfitError(f"{value} does not fit into {bits + 1} bits")
        case Primitive.DOUBLE:
            number = float(value)
            if not math.isfinite(number):
                raise UnfitError(f"{number} is not a number")
            return number
        case Primitive.TIMESTAMPTZ:
            if not 0 <= value.nanos < _NANOS:
                raise UnfitError(f"{value.nanos} nanoseconds are no part of a second")
            return moment(value.seconds * 1_000_000 + value.nanos // 1_000).replace(tzinfo=UTC)
    return value


def _decimal(value: int, kind: Decimal) -> Any:
    failures: list[Failure] = []
    number = convert(value, kind, "", failures)
    if failures:
        raise UnfitError(failures[0].message)
    return number


def _enum_name(value: int, fit: Fit) -> str:
    name = next((name for number, name in fit.names if number == value), None)
    if name is None:
        raise UnfitError(f"the schema has no name for the number {value}")
    return name

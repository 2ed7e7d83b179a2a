"""One Avro record to one row: the slow path, which decides whenever the fast one is not sure."""

from __future__ import annotations

import math
from datetime import UTC
from decimal import Decimal as Number
from io import BytesIO
from typing import Any

import fastavro

from ingest.codec.avro.fit import Fit
from ingest.codec.avro.schema import AvroSchema, Scalar
from ingest.codec.avro.walk import NoRecordError, Walk
from ingest.codec.rows import Row
from ingest.codec.values import TYPE, Failure, UnfitError, convert, day, exact_decimal, moment
from lake.types import Decimal, FieldType, ListOf, MapOf, Primitive, Struct

AVRO = "avro"

_MOST_BYTES = 64
_MICROSECONDS = {"millis": 1_000, "micros": 1}
_BITS = {Primitive.INT: 31, Primitive.LONG: 63}


def decode_row(payload: bytes, schema: AvroSchema, fits: tuple[Fit, ...], *, skip: int = 0) -> Row:
    """Read one record by its writer's schema; never raises. Every byte has to belong to it."""
    try:
        Walk(payload, skip).whole(schema.root)
        record: Any = fastavro.schemaless_reader(BytesIO(payload[skip:]), schema.physical)
    except NoRecordError as error:
        return _refused(f"the bytes are no record of the schema: {error}")
    except UnicodeDecodeError as error:
        return _refused(f"a string is no UTF-8 at its byte {error.start}")
    failures: list[Failure] = []
    return Row(values=_members(record, fits, "", failures), failures=tuple(failures))


def _refused(message: str) -> Row:
    return Row(values={}, failures=(Failure(rule=AVRO, path="", message=message),))


def _members(
    record: dict[str, Any], fits: tuple[Fit, ...], parent: str, failures: list[Failure]
) -> dict[str, Any]:
    return {fit.name: _value(record.get(fit.name), fit, f"{parent}{fit.name}", failures) for fit in fits}


def _value(value: Any, fit: Fit, path: str, failures: list[Failure]) -> Any:
    """Return the column value of one value; what doesn't fit is None and a failure."""
    if value is None or fit.source is None:
        return None
    match fit.kind:
        case Struct():
            return _members(value, fit.parts, f"{path}.", failures)
        case ListOf():
            return [_value(item, fit.parts[0], f"{path}[{n}]", failures) for n, item in enumerate(value)]
        case MapOf():
            return [(key, _value(item, fit.parts[0], path, failures)) for key, item in value.items()]
    assert isinstance(fit.source, Scalar)
    if fit.source.physical == "string" and fit.kind is not Primitive.STRING:
        return convert(value, fit.kind, path, failures)
    try:
        return _scalar(value, fit.kind, fit.source)
    except UnfitError as error:
        failures.append(Failure(rule=TYPE, path=path, message=str(error)))
        return None


def _scalar(value: Any, kind: FieldType, source: Scalar) -> Any:
    if source.physical in {"int", "long"}:
        _check_bits(value, Primitive.INT if source.physical == "int" else Primitive.LONG)
    match kind:
        case Decimal():
            return _decimal(value, kind, source)
        case Primitive.INT | Primitive.LONG:
            _check_bits(value, kind)
            return value
        case Primitive.DOUBLE:
            return _double(value)
        case Primitive.DATE:
            return day(value)
        case Primitive.TIMESTAMP:
            return moment(_microseconds(value, source.logical))
        case Primitive.TIMESTAMPTZ:
            return moment(_microseconds(value, source.logical)).replace(tzinfo=UTC)
    return value


def _check_bits(value: int, kind: Primitive) -> None:
    bits = _BITS[kind]
    if not -(2**bits) <= value < 2**bits:
        raise UnfitError(f"{value} does not fit into {bits + 1} bits")


def _double(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise UnfitError(f"{number} is not a number")
    return number


def _decimal(value: Any, kind: Decimal, source: Scalar) -> Number:
    if isinstance(value, bytes) and len(value) > _MOST_BYTES:
        raise UnfitError(f"a number of {len(value)} bytes is too large")
    unscaled = value if isinstance(value, int) else int.from_bytes(value, "big", signed=True)
    sign, digits, _ = Number(unscaled).as_tuple()
    number = Number((sign, digits, -source.scale))
    return exact_decimal(number, kind, str(number)[:60])


def _microseconds(value: int, logical: str) -> int:
    unit = logical.rsplit("-", 1)[1]
    if unit != "nanos":
        return value * _MICROSECONDS[unit]
    return value // 1_000

"""An Avro schema from a contract (Avro 1.12 specification).

boolean, int, long, double, string, binary (bytes)   the same
decimal      bytes, logicalType decimal
date         int, logicalType date
timestamp    long, logicalType local-timestamp-micros; with zone timestamp-micros
object       record, named by its path: member `address` of `orders` is `orders.address`
array, map   array, map; their elements may be null
optional     union of null and the type, default null
"""

from __future__ import annotations

import json
from typing import Any

from lake.contracts.contract import Contract
from lake.contracts.derive.record import record_fields
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_PRIMITIVES: dict[Primitive, Any] = {
    Primitive.BOOLEAN: "boolean",
    Primitive.INT: "int",
    Primitive.LONG: "long",
    Primitive.DOUBLE: "double",
    Primitive.STRING: "string",
    Primitive.BINARY: "bytes",
    Primitive.DATE: {"type": "int", "logicalType": "date"},
    Primitive.TIMESTAMP: {"type": "long", "logicalType": "local-timestamp-micros"},
    Primitive.TIMESTAMPTZ: {"type": "long", "logicalType": "timestamp-micros"},
}


def avro_schema(contract: Contract) -> str:
    """Return the schema as one line of JSON; the record has the stream's name."""
    return json.dumps(avro_record(contract.stream, record_fields(contract)), separators=(",", ":"))


def avro_record(name: str, fields: tuple[Field, ...], namespace: str = "") -> dict[str, Any]:
    """Return the record of some fields as fastavro reads it."""
    full = f"{namespace}.{name}" if namespace else name
    record: dict[str, Any] = {"type": "record", "name": name}
    if namespace:
        record["namespace"] = namespace
    record["fields"] = [_member(field, full) for field in fields]
    return record


def _member(field: Field, inside: str) -> dict[str, Any]:
    kind = _type(field.type, inside, field.name)
    if field.required:
        return {"name": field.name, "type": kind}
    return {"name": field.name, "type": ["null", kind], "default": None}


def _type(kind: FieldType, inside: str, name: str) -> Any:
    match kind:
        case Primitive():
            return _PRIMITIVES[kind]
        case Decimal():
            return {
                "type": "bytes",
                "logicalType": "decimal",
                "precision": kind.precision,
                "scale": kind.scale,
            }
        case Struct():
            return avro_record(name, kind.fields, inside)
        case ListOf():
            return {"type": "array", "items": ["null", _type(kind.element, f"{inside}.{name}", "item")]}
        case MapOf():
            return {"type": "map", "values": ["null", _type(kind.value, f"{inside}.{name}", "value")]}

"""Orders in Avro behind a frame, by two schemas of a registry."""

from __future__ import annotations

import json
from decimal import Decimal as Number
from io import BytesIO
from typing import Any

import fastavro

from lake.contracts import Format, Framing
from lake.types import Decimal, Field, Primitive
from tests.fakes.streams import topic_contract

CONTRACT = topic_contract(
    "orders",
    (
        Field(name="id", type=Primitive.LONG),
        Field(name="amount", type=Decimal(precision=12, scale=2)),
        Field(name="ordered_at", type=Primitive.TIMESTAMPTZ),
        Field(name="note", type=Primitive.STRING),
    ),
    format=Format.AVRO,
    framing=Framing.REGISTRY,
    event_time="ordered_at",
)
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
FIRST = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "amount", "type": MONEY},
        {"name": "ordered_at", "type": MOMENT},
    ],
}
SECOND = {
    **FIRST,
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "amount", "type": MONEY},
        {"name": "ordered_at", "type": MOMENT},
    ],
}


def avro(number: int, schema: dict[str, Any], **value: Any) -> bytes:
    """Return a value in Avro behind the frame of a schema's number; times are given as they are written."""
    out = BytesIO()
    bare = json.loads(json.dumps(schema).replace(', "logicalType": "timestamp-millis"', ""))
    fastavro.schemaless_writer(out, fastavro.parse_schema(bare), value)
    return b"\x00" + number.to_bytes(4, "big") + out.getvalue()


def order(number: int) -> dict[str, Any]:
    """Return an order that fits both schemas."""
    return {"id": number, "amount": Number(f"{number}.25"), "ordered_at": 1_700_000_000_000 + number}

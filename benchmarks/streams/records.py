"""The records of the benchmark and their contract, in each format.

A JSON record has about 255 bytes: the goals are said for 240 to 270. The contract has rules on most
columns, and its table is cut by month, as tables of landing are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from io import BytesIO
from typing import Any

import fastavro
from google.protobuf import message_factory

from ingest.codec.protobuf.schema import compile_schema
from lake.contracts import (
    Contract,
    Format,
    Framing,
    PartitionBy,
    Rule,
    RuleKind,
    StreamKind,
    Transform,
)
from lake.contracts.derive import avro_schema, protobuf_text
from lake.types import Decimal, Field, Primitive

START = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = ("store", "web", "phone")
CITIES = ("Cincinnati", "Dayton", "Columbus", "Cleveland")

FIELDS = (
    Field(name="household_id", type=Primitive.LONG),
    Field(name="store_id", type=Primitive.LONG),
    Field(name="basket_id", type=Primitive.LONG),
    Field(name="product_id", type=Primitive.LONG),
    Field(name="quantity", type=Primitive.LONG),
    Field(name="sales_value", type=Decimal(precision=12, scale=2)),
    Field(name="discount", type=Primitive.DOUBLE),
    Field(name="channel", type=Primitive.STRING),
    Field(name="city", type=Primitive.STRING),
    Field(name="note", type=Primitive.STRING),
    Field(name="ordered_at", type=Primitive.TIMESTAMPTZ),
)
RULES = (
    *(Rule(kind=RuleKind.REQUIRED, path=field.name) for field in FIELDS if field.name != "note"),
    *(
        Rule(kind=RuleKind.MINIMUM, path=name, argument=1)
        for name in ("household_id", "store_id", "basket_id", "product_id")
    ),
    *(Rule(kind=RuleKind.MINIMUM, path=name, argument=0) for name in ("quantity", "sales_value", "discount")),
    Rule(kind=RuleKind.ALLOWED, path="channel", argument=CHANNELS),
    Rule(kind=RuleKind.MAX_LENGTH, path="note", argument=200),
)


def contract(written: Format, name: str = "", *, topic: str = "") -> Contract:
    """Return the contract of one stream of the benchmark, which may read another one's topic."""
    stream = name or f"bench_{written.value}"
    return Contract(
        stream=stream,
        family=stream,
        version="1.0.0",
        kind=StreamKind.TOPIC,
        owner="benchmark",
        description="Records of the benchmark.",
        topic=topic or stream,
        subject=f"{stream}-value",
        format=written,
        framing=Framing.PLAIN,
        event_time="ordered_at",
        primary_key=("basket_id", "product_id"),
        partition=(PartitionBy(column="ordered_at", transform=Transform.MONTH),),
        fields=FIELDS,
        rules=RULES,
    )


def value(number: int) -> dict[str, Any]:
    """Return one record's members."""
    return {
        "household_id": 1 + number % 2500,
        "store_id": 1 + number % 500,
        "basket_id": 31_198_570_044 + number,
        "product_id": 1 + (number * 7919) % 10**6,
        "quantity": number % 4,
        "sales_value": Number(number % 10_000) / 100,
        "discount": (number % 97) / 7,
        "channel": CHANNELS[number % 3],
        "city": CITIES[number % 4],
        "note": _note(number),
        "ordered_at": START + timedelta(seconds=number // 10),
    }


def _note(number: int) -> str | None:
    """Return a text for three of four records."""
    return f"basket {number % 1000} of the day, paid with card and collected points" if number % 4 else None


def writer(own: Contract) -> Callable[[int], bytes]:
    """Return what writes a record in a contract's format."""
    match own.format:
        case Format.JSON:
            return as_json
        case Format.AVRO:
            return _avro_writer(own)
        case Format.PROTOBUF:
            return _protobuf_writer(own)


def as_json(number: int) -> bytes:
    """Return a record in JSON."""
    found = value(number)
    note = "null" if found["note"] is None else f'"{found["note"]}"'
    return (
        f'{{"household_id":{found["household_id"]},"store_id":{found["store_id"]},'
        f'"basket_id":{found["basket_id"]},"product_id":{found["product_id"]},'
        f'"quantity":{found["quantity"]},"sales_value":{found["sales_value"]:.2f},'
        f'"discount":{found["discount"]:.4f},"channel":"{found["channel"]}","city":"{found["city"]}",'
        f'"note":{note},"ordered_at":"{found["ordered_at"]:%Y-%m-%dT%H:%M:%SZ}"}}'
    ).encode()


def _avro_writer(own: Contract) -> Callable[[int], bytes]:
    schema = fastavro.parse_schema(json.loads(avro_schema(own)))

    def as_avro(number: int) -> bytes:
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, value(number))
        return out.getvalue()

    return as_avro


def _protobuf_writer(own: Contract) -> Callable[[int], bytes]:
    file = compile_schema(protobuf_text(own))
    kind = message_factory.GetMessageClass(next(iter(file.message_types_by_name.values())))

    def as_protobuf(number: int) -> bytes:
        found = value(number)
        moment, found["sales_value"] = found.pop("ordered_at"), f"{found['sales_value']:.2f}"
        message = kind(**{name: own for name, own in found.items() if own is not None})
        message.ordered_at.seconds = int(moment.timestamp())
        body: bytes = message.SerializeToString()
        return body

    return as_protobuf

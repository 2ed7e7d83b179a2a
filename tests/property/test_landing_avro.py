"""Avro: the fast path means what the slow path means, and no byte is read as something else."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.codec.avro import AvroCodec
from ingest.codec.avro import codec as codec_module
from ingest.codec.avro.rows import decode_row
from lake.types import Decimal, Field, ListOf, Primitive, Struct

FIELDS = (
    Field(name="i", type=Primitive.LONG, required=True),
    Field(name="w", type=Primitive.INT),
    Field(name="narrow", type=Primitive.INT),
    Field(name="d", type=Decimal(precision=12, scale=2)),
    Field(name="more", type=Decimal(precision=20, scale=6)),
    Field(name="less", type=Decimal(precision=6, scale=1)),
    Field(name="f", type=Primitive.DOUBLE),
    Field(name="small", type=Primitive.DOUBLE),
    Field(name="whole", type=Primitive.DOUBLE),
    Field(name="s", type=Primitive.STRING),
    Field(name="e", type=Primitive.STRING),
    Field(name="b", type=Primitive.BOOLEAN),
    Field(name="x", type=Primitive.BINARY),
    Field(name="t", type=Primitive.TIMESTAMPTZ),
    Field(name="ms", type=Primitive.TIMESTAMPTZ),
    Field(name="ns", type=Primitive.TIMESTAMPTZ),
    Field(name="n", type=Primitive.TIMESTAMP),
    Field(name="y", type=Primitive.DATE),
    Field(name="opt", type=Primitive.STRING),
    Field(
        name="r",
        type=Struct(fields=(Field(name="a", type=Primitive.LONG), Field(name="z", type=Primitive.DATE))),
    ),
    Field(name="l", type=ListOf(element=Primitive.STRING)),
    Field(name="lr", type=ListOf(element=Struct(fields=(Field(name="a", type=Primitive.INT),)))),
    Field(name="gone", type=Primitive.LONG),
)


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def logical(physical: str, name: str) -> dict[str, Any]:
    return {"type": physical, "logicalType": name}


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


WRITER = record(
    "R",
    i="long",
    w="int",
    unused=["null", "boolean"],
    narrow="long",
    d=decimal(12, 2),
    more=["null", decimal(38, 2)],
    less=decimal(12, 4),
    f="double",
    small="float",
    whole=["long", "null"],
    s="string",
    e={"type": "enum", "name": "E", "symbols": ["A", "B"]},
    b="boolean",
    x="bytes",
    t=logical("long", "timestamp-micros"),
    ms=logical("long", "timestamp-millis"),
    ns=["null", logical("long", "timestamp-nanos")],
    n=logical("long", "local-timestamp-micros"),
    y=logical("int", "date"),
    opt=["null", "string"],
    r=["null", record("In", a="long", z=["null", logical("int", "date")])],
    l={"type": "array", "items": ["null", "string"]},
    lr=["null", {"type": "array", "items": record("It", a="int", b="string")}],
)
TEXT = json.dumps(WRITER)
CODEC = AvroCodec(FIELDS, TEXT)
PHYSICAL = CODEC._schema.physical

LONGS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)]),
)
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
MICROS = st.one_of(
    LONGS,
    st.integers(0, 2 * 10**15),
    st.sampled_from(
        [-62_135_596_800_000_000, -62_135_596_800_000_001, 253_402_300_799_999_999, 253_402_300_800_000_000]
    ),
)
MILLIS = st.one_of(
    LONGS,
    st.sampled_from([-62_135_596_800_000, -62_135_596_800_001, 253_402_300_799_999, 253_402_300_800_000]),
)
DAYS = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from([-719_162, -719_163, 2_932_896, 2_932_897]),
    st.integers(0, 30000),
)
UNSCALED = st.one_of(
    st.binary(max_size=18),
    st.integers(-(10**13), 10**13).map(lambda n: n.to_bytes(8, "big", signed=True)),
    st.integers(-(10**39), 10**39).map(lambda n: n.to_bytes(17, "big", signed=True)),
    st.integers(-20, 20).map(lambda n: (n * 100).to_bytes(2, "big", signed=True)),
)
FLOATS = st.floats(width=32) | st.floats(allow_nan=False, allow_infinity=False, width=32)
TEXTS = st.text(max_size=6)
# Mostly what fits, so that the fast path is taken; each value may be replaced by one that is at an edge.
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-5, 5),
    "w": st.integers(-(2**31), 2**31 - 1),
    "unused": st.none() | st.booleans(),
    "narrow": st.integers(-(2**31), 2**31 - 1),
    "d": st.integers(-(10**12) + 1, 10**12 - 1).map(lambda n: n.to_bytes(6, "big", signed=True)),
    "more": st.none() | st.integers(-(10**15), 10**15).map(lambda n: n.to_bytes(8, "big", signed=True)),
    "less": st.integers(-99, 99).map(lambda n: (n * 1000).to_bytes(4, "big", signed=True)),
    "f": st.floats(allow_nan=False, allow_infinity=False),
    "small": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "whole": st.none() | st.integers(-(2**53), 2**53),
    "s": TEXTS,
    "e": st.sampled_from(["A", "B"]),
    "b": st.booleans(),
    "x": st.binary(max_size=5),
    "t": st.integers(0, 2 * 10**15),
    "ms": st.integers(0, 2 * 10**12),
    "ns": st.none() | st.integers(0, 2 * 10**15).map(lambda n: n * 1000),
    "n": st.integers(0, 2 * 10**15),
    "y": st.integers(0, 30000),
    "opt": st.none() | TEXTS,
    "r": st.none() | st.fixed_dictionaries({"a": LONGS, "z": st.none() | st.integers(0, 30000)}),
    "l": st.lists(st.none() | TEXTS, max_size=3),
    "lr": st.none() | st.lists(st.fixed_dictionaries({"a": st.integers(-9, 9), "b": TEXTS}), max_size=2),
}
EDGES: dict[str, st.SearchStrategy[Any]] = {
    "i": LONGS,
    "narrow": LONGS,
    "d": UNSCALED,
    "more": UNSCALED,
    "less": UNSCALED,
    "f": st.floats(),
    "small": FLOATS,
    "whole": LONGS,
    "t": MICROS,
    "ms": MILLIS,
    "ns": LONGS,
    "n": MICROS,
    "y": DAYS,
    "r": st.fixed_dictionaries({"a": LONGS, "z": DAYS}),
}


def write(value: dict[str, Any], schema: Any = PHYSICAL) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


@st.composite
def records(draw: st.DrawFn) -> bytes:
    value = draw(st.fixed_dictionaries(FITTING))
    for name in draw(st.lists(st.sampled_from(sorted(EDGES)), max_size=1)):
        value[name] = draw(EDGES[name])
    return write(value)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a record with a few bytes removed, put in or changed."""
    payload = bytearray(draw(records()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(payload)))
        payload[place : place + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=3)
            | st.sampled_from([b"\xff" * 9, b"\x80\x00", b"\xff" * 9 + b"\x01", b"\x03", b"\x02"])
        )
    return bytes(payload)


ANY = st.one_of(records(), records(), records(), damaged())


def slow(payloads: list[bytes | None], skip: int = 0) -> tuple[pa.Table, list[int]]:
    """Decode every record by the slow path."""
    rows = [CODEC._row(payload, skip) for payload in payloads]
    good = [row.values for row in rows if not row.failures]
    return pa.Table.from_pylist(good, schema=CODEC._row_schema), [n for n, r in enumerate(rows) if r.failures]


def same(one: pa.Table, other: pa.Table) -> bool:
    """Compare with the sign of zero: it is part of a double."""
    return one.equals(other) and all(
        repr(one.column(n).to_pylist()) == repr(other.column(n).to_pylist()) for n in ("f", "small")
    )


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_what_the_fast_path_accepts_the_slow_path_reads_alike(payload: bytes) -> None:
    """Soundness: no value changes and nothing refused slips through."""
    table = CODEC._fast.decode([payload], skip=0)
    if table is None:
        return
    row = decode_row(payload, CODEC._schema, CODEC._fits)
    assert row.failures == ()
    table.validate(full=True)
    assert same(table, pa.Table.from_pylist([row.values], schema=CODEC._row_schema))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | ANY, min_size=1, max_size=20), st.booleans())
@example([None, b"", b"\x00" * 5], True)
def test_a_block_gives_the_rows_and_the_refusals_of_its_records(
    payloads: list[bytes | None],
    framed: bool,  # noqa: FBT001
) -> None:
    """Records never merge, split, swap or vanish, whatever stands beside them; nor does a frame matter."""
    skip = 5 if framed else 0
    if framed:
        payloads = [b"\x00\x00\x00\x00\x07" + p if p is not None else None for p in payloads]
    decoded = CODEC.decode(payloads, skip=skip)
    rows, refused = slow(payloads, skip)
    assert [bad.index for bad in decoded.bad] == refused
    assert same(decoded.rows, rows)
    assert (decoded.indexes is None) == (not refused)


@settings(max_examples=200, deadline=None)
@given(records(), st.binary(min_size=1, max_size=9), st.integers(1, 9))
def test_a_record_that_is_too_long_or_too_short_is_refused(payload: bytes, more: bytes, less: int) -> None:
    """Neither library looks at what stands behind a record."""
    for wrong in (payload + more, payload[:-less]):
        assert CODEC._fast.decode([wrong], skip=0) is None
        assert CODEC.decode([wrong]).bad


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries(FITTING))
def test_good_records_take_the_fast_path_and_keep_their_values(value: dict[str, Any]) -> None:
    """Without this the other properties could hold with the fast path switched off."""
    table = CODEC._fast.decode([write(value)] * 3, skip=0)
    assert table is not None
    row = table.slice(2).to_pylist()[0]
    for name in ("i", "w", "narrow", "f", "small", "s", "e", "b", "x", "opt", "l"):
        assert row[name] == value[name], name
    assert (
        row["d"] == int.from_bytes(value["d"], "big", signed=True).__truediv__(1) / 100
        or row["d"].is_finite()
    )
    assert row["gone"] is None


def test_bytes_that_are_no_record_are_found_without_reading_their_neighbours_row_by_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One in a hundred, cut off or with something behind it."""
    read: list[bytes] = []
    slow = codec_module.decode_row

    def counting(payload: bytes, *arguments: Any, **options: Any) -> Any:
        read.append(payload)
        return slow(payload, *arguments, **options)

    monkeypatch.setattr(codec_module, "decode_row", counting)
    schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}
    codec = codec_module.AvroCodec((Field(name="n", type=Primitive.LONG),), json.dumps(schema))
    payloads = [b"\x02"] * 1000
    payloads[50::100] = [b"\x80", b"\x02\x02"] * 5
    decoded = codec.decode(payloads)
    assert [bad.index for bad in decoded.bad] == list(range(50, 1000, 100))
    assert read == [b"\x80", b"\x02\x02"] * 5
    assert decoded.rows.column("n").to_pylist() == [1] * 990

"""Protobuf: the fast path means what the slow path means, and the right message of a file is read."""

from __future__ import annotations

from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import message_factory
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ingest.codec.frame import SchemaMisfitError
from ingest.codec.protobuf import ProtobufCodec
from ingest.codec.protobuf import codec as codec_module
from ingest.codec.protobuf.codec import read_indexes
from lake.broker import SchemaFile
from lake.types import Decimal, Field, ListOf, MapOf, Primitive, Struct

PROTO = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "shop/kind.proto";
message Other { string s = 1; message Inner { optional int64 i = 7; string s = 3; } }
message Order {
  int64 i = 1; sint32 w = 2; uint64 big = 3; fixed32 fixed = 4; optional int64 opt = 5;
  double f = 6; float small = 7; string s = 8; optional string os = 9; bool b = 10; bytes x = 11;
  Kind e = 12; google.protobuf.Timestamp t = 13; google.protobuf.StringValue wrapped = 14;
  google.protobuf.Int64Value number = 15; optional string d = 16; optional string y = 17; string at = 18;
  Part r = 20; repeated int64 l = 21; repeated string ls = 22; repeated Part lr = 23;
  map<string, int64> m = 24; Order again = 25; string unused = 26; repeated Kind kinds = 27;
  message Part { optional int64 a = 1; string z = 2; google.protobuf.Timestamp t = 3; }
}
"""
KIND = 'syntax = "proto3"; package shop; enum Kind { NONE = 0; SALE = 1; BACK = 7; }'
PART = Struct(
    fields=(
        Field(name="a", type=Primitive.LONG),
        Field(name="z", type=Primitive.STRING),
        Field(name="t", type=Primitive.TIMESTAMPTZ),
    )
)
FIELDS = (
    Field(name="i", type=Primitive.LONG),
    Field(name="w", type=Primitive.INT),
    Field(name="big", type=Primitive.LONG),
    Field(name="fixed", type=Primitive.INT),
    Field(name="opt", type=Primitive.DOUBLE),
    Field(name="f", type=Primitive.DOUBLE),
    Field(name="small", type=Primitive.DOUBLE),
    Field(name="s", type=Primitive.STRING),
    Field(name="os", type=Primitive.STRING),
    Field(name="b", type=Primitive.BOOLEAN),
    Field(name="x", type=Primitive.BINARY),
    Field(name="e", type=Primitive.STRING),
    Field(name="t", type=Primitive.TIMESTAMPTZ),
    Field(name="wrapped", type=Primitive.STRING),
    Field(name="number", type=Primitive.LONG),
    Field(name="d", type=Decimal(precision=12, scale=2)),
    Field(name="y", type=Primitive.DATE),
    Field(name="r", type=PART),
    Field(name="l", type=ListOf(element=Primitive.LONG)),
    Field(name="ls", type=ListOf(element=Primitive.STRING)),
    Field(name="lr", type=ListOf(element=PART)),
    Field(name="kinds", type=ListOf(element=Primitive.STRING)),
    Field(name="gone", type=Primitive.LONG),
)
FILES = (SchemaFile(name="shop/kind.proto", text=KIND),)
CODEC = ProtobufCodec(FIELDS, PROTO, FILES)
ORDER = CODEC._message((1,))
MESSAGE = message_factory.GetMessageClass(CODEC._descriptor((1,)))
HEAD = b"\x00\x00\x00\x00\x07"

LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 2**31, -(2**31) - 1, 2**53 + 1])
TIMES = st.fixed_dictionaries({
    "seconds": st.integers(0, 2 * 10**9)
    | st.sampled_from([-62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 2**62, -1]),
    "nanos": st.integers(0, 999_999_999) | st.sampled_from([1_000_000_000, -1, 999, 2**31 - 1]),
})  # fmt: skip
TEXTS = st.text(max_size=5)
PARTS = st.fixed_dictionaries({}, optional={"a": LONGS, "z": TEXTS, "t": TIMES})
MONEY = st.decimals(-(10**9), 10**9, places=2).map(str) | st.sampled_from(
    ["1.505", "1e2", "+1.5", "", " 1", "12345678901234", ".5", "1.", "-0.00", "NaN", "1_0", "\u0661"]
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": LONGS,
    "w": st.integers(-(2**31), 2**31 - 1),
    "big": st.integers(0, 2**40) | st.sampled_from([2**63 - 1, 2**63, 2**64 - 1]),
    "fixed": st.integers(0, 1000) | st.sampled_from([2**31 - 1, 2**31, 2**32 - 1]),
    "opt": st.integers(-(2**53), 2**53) | LONGS,
    "f": st.floats(allow_nan=False, allow_infinity=False) | st.floats(),
    "small": st.floats(allow_nan=False, allow_infinity=False, width=32) | st.floats(width=32),
    "s": TEXTS,
    "os": TEXTS,
    "b": st.booleans(),
    "x": st.binary(max_size=4),
    "e": st.sampled_from([0, 1, 7]) | st.sampled_from([2, -1]),
    "t": TIMES,
    "wrapped": st.fixed_dictionaries({}, optional={"value": TEXTS}),
    "number": st.fixed_dictionaries({}, optional={"value": LONGS}),
    "d": MONEY,
    "y": st.dates().map(str) | st.sampled_from(["2025-02-30", "2025-2-3", ""]),
    "r": PARTS,
    "l": st.lists(LONGS, max_size=3),
    "ls": st.lists(TEXTS, max_size=3),
    "lr": st.lists(PARTS, max_size=2),
    "m": st.dictionaries(TEXTS, LONGS, max_size=2),
    "unused": TEXTS,
    "kinds": st.lists(st.sampled_from([0, 1, 7]), max_size=3),
}


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Draw a message of a few fields: each value at an edge sends it to the slow path."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=5, unique=True))
    body: bytes = MESSAGE(**{name: draw(VALUES[name]) for name in names}).SerializeToString()
    return body


def tag(number: int, wire: int, rest: bytes) -> bytes:
    """Return one field on the wire; numbers here are below 2^29, as everywhere."""
    value, out = number << 3 | wire, b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value]) + rest


ODD = st.sampled_from(
    [
        tag(8, 2, b"\x02\xff\xfe"),
        tag(26, 2, b"\x01\xff"),
        tag(99, 0, b"\x05"),
        tag(99, 3, b"") + tag(99, 4, b""),
        tag(99, 4, b""),
        tag(1, 2, b"\x01a"),
        tag(8, 0, b"\x05"),
        tag(1, 5, b"abcd"),
        tag(1, 0, b"\x01") + tag(1, 0, b"\x02"),
        tag(20, 2, b"\x02\x08\x05") + tag(20, 2, b"\x03\x12\x01z"),
        tag(21, 0, b"\x01") + tag(21, 2, b"\x02\x01\x02"),
        tag(12, 0, b"\x05"),
        tag(10, 0, b"\x02"),
        tag(13, 2, b"\x00"),
        tag(14, 2, b"\x00"),
        tag(2, 0, b"\xff" * 9 + b"\x01"),
        tag(1, 0, b"\xff" * 10 + b"\x01"),
        tag(8, 2, b"\xff" * 9 + b"\x01"),
        tag(8, 2, b"\x80\x80\x80\x80\x80\x80\x01"),
        tag(11, 2, b"\x05ab"),
        b"\x00\x01",
        b"\x0f",
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a message with odd fields put in before, between or behind, or cut short."""
    payload = draw(records()) + draw(ODD) + draw(records())
    return payload[: draw(st.integers(0, len(payload)))] if draw(st.booleans()) else payload


def varint(payload: bytes, place: int) -> tuple[int | None, int]:
    """Read a number and say where the next thing stands; None where there is none."""
    for size in range(1, 11):
        if place + size > len(payload):
            return None, place
        if payload[place + size - 1] < 0x80:
            number = sum((payload[place + n] & 0x7F) << 7 * n for n in range(size))
            return number & (2**64 - 1), place + size
    return None, place


def has_wide_tag(payload: bytes) -> bool:
    """Tell whether a tag has more than 32 bits, at the top or in what may be a message inside.

    No writer makes one. ptars cuts it where the slow path refuses it: the one known difference.
    """
    place = 0
    while place < len(payload):
        wide, place = varint(payload, place)
        if wide is None or wide >= 2**32:
            return wide is not None
        kind = wide & 7
        if kind == 2:
            size, place = varint(payload, place)
            if size is None or has_wide_tag(payload[place : place + size]):
                return size is not None
            place += size
        elif kind == 0:
            _, after = varint(payload, place)
            if after == place:
                return False
            place = after
        elif kind in {1, 5}:
            place += 8 if kind == 1 else 4
        else:
            return False
    return False


ANY = st.one_of(records(), records(), damaged().filter(lambda payload: not has_wide_tag(payload)))


def row_of(payload: bytes | None) -> Any:
    return ORDER.row(payload)  # type: ignore[union-attr]


def same(one: pa.Table, other: pa.Table) -> bool:
    """Compare with the sign of zero: it is part of a double."""
    return one.equals(other) and all(
        repr(one.column(n).to_pylist()) == repr(other.column(n).to_pylist()) for n in ("f", "small", "opt")
    )


@settings(max_examples=300, deadline=None)
@given(ANY)
@example(b"")
@example(tag(8, 2, b"\xff" * 9 + b"\x01"))
def test_what_the_fast_path_accepts_the_slow_path_reads_alike(payload: bytes) -> None:
    """Soundness: no value changes and nothing refused slips through."""
    table = ORDER.fast.decode([payload])  # type: ignore[union-attr]
    if table is None:
        return
    row = row_of(payload)
    assert row.failures == ()
    table.validate(full=True)
    assert same(table, pa.Table.from_pylist([row.values], schema=CODEC._row_schema))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.none() | ANY, min_size=1, max_size=20))
@example([b"", None, tag(8, 2, b"\xff" * 9 + b"\x01"), b""])
def test_a_block_gives_the_rows_and_the_refusals_of_its_records(payloads: list[bytes | None]) -> None:
    """Records never merge, split, swap or vanish, whatever stands beside them."""
    framed = [HEAD + b"\x02\x02" + p if p is not None else None for p in payloads]
    decoded = CODEC.decode(framed, skip=5)
    rows = [row_of(payload) for payload in payloads]
    good = [row.values for row in rows if not row.failures]
    assert [bad.index for bad in decoded.bad] == [n for n, row in enumerate(rows) if row.failures]
    assert same(decoded.rows, pa.Table.from_pylist(good, schema=CODEC._row_schema))


@settings(max_examples=60, deadline=None)
@given(st.integers(-5, 5), TEXTS, st.sampled_from(["Order", "Other", "Other.Inner"]))
def test_the_numbers_behind_the_frame_choose_the_message(number: int, text: str, name: str) -> None:
    """Field numbers mean other things in another message of the same file."""
    indexes = {"Order": b"\x02\x02", "Other": b"\x00", "Other.Inner": b"\x04\x00\x00"}[name]
    path, start = read_indexes(HEAD + indexes, 5)
    assert start == 5 + len(indexes)
    assert path is not None
    kind = message_factory.GetMessageClass(CODEC._descriptor(path))
    assert kind.DESCRIPTOR.full_name == f"shop.{name}"
    assume(name != "Other")
    body = kind(i=number, s=text).SerializeToString()
    (row,) = CODEC.decode([HEAD + indexes + body], skip=5).rows.to_pylist()
    assert (row["i"] or 0, row["s"]) == (number, text)


@pytest.mark.parametrize(
    "indexes", [b"", b"\x02", b"\x01", b"\x80", b"\xff\xff\xff\xff\xff\x01", b"\x02\x14"]
)
def test_a_frame_that_names_no_message_is_refused(indexes: bytes) -> None:
    """No guess at which message was meant."""
    (bad,) = CODEC.decode([HEAD + indexes], skip=5).bad
    assert bad.failures[0].rule in {"frame", "schema"}


def test_good_messages_take_the_fast_path_and_keep_their_values() -> None:
    """Without this the other properties could hold with the fast path switched off."""
    value = MESSAGE(i=1, w=-2, big=3, opt=0, f=0.5, s="a", e=7, d="1.50", y="2025-01-31", l=[1, 2], kinds=[1])
    value.t.seconds, value.t.nanos, value.r.a, value.wrapped.value = 1_700_000_000, 999_999_999, 5, "w"
    table = ORDER.fast.decode([value.SerializeToString()] * 3)  # type: ignore[union-attr]
    assert table is not None
    row = table.slice(2).to_pylist()[0]
    found = {name: row[name] for name in ("i", "w", "opt", "os", "e", "wrapped", "number", "l", "kinds")}
    assert found == {
        "i": 1,
        "w": -2,
        "opt": 0.0,
        "os": None,
        "e": "BACK",
        "wrapped": "w",
        "number": None,
        "l": [1, 2],
        "kinds": ["SALE"],
    }
    assert (row["d"], str(row["y"])) == (Number("1.50"), "2025-01-31")
    assert (row["t"].timestamp(), row["r"]["a"], row["r"]["t"]) == (1_700_000_000.999999, 5, None)


def test_maps_and_misfits_are_told_apart() -> None:
    """A map is read row by row, its last entry of a key wins; what can't become a column is named."""
    field = Field(name="m", type=MapOf(key=Primitive.STRING, value=Primitive.LONG))
    entry = tag(24, 2, b"\x05\x0a\x01a\x10\x01")
    decoded = ProtobufCodec((field,), PROTO, FILES).decode(
        [HEAD + b"\x02\x02" + entry + entry[:-1] + b"\x02"], skip=5
    )
    assert decoded.rows.to_pylist() == [{"m": [("a", 2)]}]
    wrong = (Field(name="s", type=Primitive.LONG), Field(name="again", type=Primitive.STRING))
    (bad,) = ProtobufCodec(wrong, PROTO, FILES).decode([HEAD + b"\x02\x02"], skip=5).bad
    assert [failure.path for failure in bad.failures] == ["s", "again"]
    with pytest.raises(SchemaMisfitError, match=r"lakemesh_record\.proto"):
        ProtobufCodec(FIELDS, "message {")


def test_bytes_that_are_no_message_are_found_without_reading_their_neighbours_row_by_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One in a hundred, cut off."""
    read: list[bytes] = []
    slow = codec_module.decode_row

    def counting(payload: bytes, *arguments: Any) -> Any:
        read.append(payload)
        return slow(payload, *arguments)

    monkeypatch.setattr(codec_module, "decode_row", counting)
    text = 'syntax = "proto3"; message R { int64 n = 1; }'
    codec = codec_module.ProtobufCodec((Field(name="n", type=Primitive.LONG),), text)
    payloads = [b"\x08\x01"] * 1000
    payloads[50::100] = [b"\x08"] * 10
    decoded = codec.decode(payloads)
    assert [bad.index for bad in decoded.bad] == list(range(50, 1000, 100))
    assert read == [b"\x08"] * 10
    assert decoded.rows.column("n").to_pylist() == [1] * 990

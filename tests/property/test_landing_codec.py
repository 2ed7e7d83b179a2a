"""The fast path of decoding means what the slow path means, whatever arrives."""

from __future__ import annotations

from decimal import Decimal as Number

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.codec import JsonCodec, blocks
from ingest.codec.columns import FastDecoder, StrangerError, are_all_plain, are_joined, is_plain
from ingest.codec.rows import Row, decode_row
from lake.types import Decimal, Field
from tests.fakes.json_payloads import BYTES, FIELDS, PAYLOADS, damaged

CODEC = JsonCodec(FIELDS)
FAST = FastDecoder(FIELDS)


def slow(payloads: list[bytes | None]) -> tuple[pa.Table, list[int]]:
    """Decode every record by the slow path."""
    rows = [decode_row(payload, FIELDS) for payload in payloads]
    good = [row.values for row in rows if not row.failures]
    return pa.Table.from_pylist(good, schema=CODEC._schema), [n for n, row in enumerate(rows) if row.failures]


def same(one: pa.Table, other: pa.Table) -> bool:
    """Compare with the sign of zero: it is part of a double."""
    return one.equals(other) and repr(one.column("f").to_pylist()) == repr(other.column("f").to_pylist())


@settings(max_examples=500, deadline=None)
@given(BYTES | damaged())
@example(b'{"d":0.505}')
@example(b'{"d":10000000000}')
@example(b'{"x":NaN}')
@example(b'{"x":"\xff"}')
@example(b'{"t":"2025-11-30"}')
@example(b'{"i":1,"i":2}')
@example(b'{"x":1,"x":2,"i":1}')
@example(b'{"x":' + b"[" * 150 + b"]" * 150 + b"}")
@example(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
def test_what_the_fast_path_accepts_the_slow_path_reads_alike(payload: bytes) -> None:
    """Soundness: no value changes and nothing refused slips through."""
    if is_plain(payload) and (table := FAST.decode(payload, 1)) is not None:
        assert_read_alike(table, payload)


@settings(max_examples=500, deadline=None)
@given(BYTES | damaged())
@example(b'{"f":NaN}')
@example(b'{"f":-Infinity}')
@example(b'{"i":NaN}')
@example(b'{"d":NaN}')
@example(b'{"s":NaN}')
@example(b'{"x":NaN}')
@example(b'{"\xff":1}')
@example(b'{"s":"\xff"}')
@example(b'{"i":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'{"s":' + b'{"s":' * 100_000 + b"1" + b"}" * 100_000 + b"}")
def test_what_is_accepted_without_a_look_before_the_slow_path_reads_alike(payload: bytes) -> None:
    """Soundness where every member has a column, for payloads that are no more than objects by their ends."""
    try:
        table = FAST.decode_known(payload, 1) if are_joined(payload, 1) else None
    except StrangerError:
        return
    if table is not None:
        assert_read_alike(table, payload)


def assert_read_alike(table: pa.Table, payload: bytes) -> None:
    row = decode_row(payload, FIELDS)
    assert row.failures == ()
    assert same(table.cast(CODEC._schema), pa.Table.from_pylist([row.values], schema=CODEC._schema))


def test_a_member_that_no_column_has_is_told_from_a_bad_record() -> None:
    """Else each block of a stream with such members would be read twice, or one with a bad record be."""
    known, stranger, bad = b'{"i":1}', b'{"i":1,"x":{"i":NaN}}', b'{"i":"1"}'
    assert FAST.decode_known(b"\n".join([known] * 3), 3) is not None
    assert FAST.decode_known(b"\n".join([known, bad]), 2) is None
    with pytest.raises(StrangerError):
        FAST.decode_known(b"\n".join([known, stranger]), 2)


@settings(max_examples=120, deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=40))
@example([b"{}\n{}", b""])
@example([b'{"x":{"y":1}', b"{}}"])
@example([b'{"x":"}', b'{"}'])
@example([None, b'{"i":1}', b'{"i":3.7}'])
def test_a_block_gives_the_rows_and_the_refusals_of_its_records(payloads: list[bytes | None]) -> None:
    """Records never merge, split, swap or vanish, whatever stands beside them."""
    for codec in (CODEC, JsonCodec(FIELDS)):  # one that has met strange members, and one that has not
        assert_block(codec, payloads)


def assert_block(codec: JsonCodec, payloads: list[bytes | None]) -> None:
    decoded = codec.decode(payloads)
    rows, refused = slow(payloads)
    assert [bad.index for bad in decoded.bad] == refused
    assert same(decoded.rows, rows)
    if decoded.indexes is not None:
        assert decoded.indexes.to_pylist() == [n for n in range(len(payloads)) if n not in set(refused)]
    else:
        assert not refused


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 38).flatmap(lambda p: st.builds(Decimal, precision=st.just(p), scale=st.integers(0, p))),
    st.integers(-(10**39), 10**39).map(str)
    | st.tuples(st.integers(-(10**39), 10**39), st.integers(-40, 40)).map(lambda n: f"{n[0]}e{n[1]}"),
)
@example(Decimal(precision=38, scale=10), "12345678901234567890123456789012345678")
@example(Decimal(precision=38, scale=2), "3402823669209384634633746074317682115")
@example(Decimal(precision=30, scale=8), "3402823669209384634633746074318")
@example(Decimal(precision=1, scale=0), "1e-39")
@example(Decimal(precision=1, scale=0), "1E-100")
def test_no_decimal_wraps_around(kind: Decimal, number: str) -> None:
    """A number that is too large for its column is refused, it never becomes another one."""
    field, payload = Field(name="d", type=kind), f'{{"d":{number}}}'.encode()
    decoded, row = JsonCodec((field,)).decode([payload]), decode_row(payload, (field,))
    assert len(decoded.bad) == len(row.failures)
    assert decoded.rows.column("d").to_pylist() == ([] if row.failures else [row.values["d"]])


@settings(max_examples=100, deadline=None)
@given(st.lists(PAYLOADS.filter(lambda p: p is not None), min_size=1, max_size=6))
def test_a_block_taken_for_plain_holds_only_plain_payloads(payloads: list[bytes]) -> None:
    """The test on the joined bytes is never laxer than the one on each payload."""
    if are_all_plain(b"\n".join(payloads), len(payloads)):
        assert all(is_plain(payload) for payload in payloads)


def test_good_records_take_the_fast_path() -> None:
    """Without this the two other properties could hold with the fast path switched off."""
    payload = (
        b'{"i":1,"w":2,"d":0.50,"f":1.5,"s":"a","b":true,"t":"2025-11-30T11:53:26Z",'
        b'"n":"2025-11-30T11:53:26","y":"2025-11-30","more":[1]}'
    )
    assert are_all_plain(b"\n".join([payload] * 5), 5)
    table = FAST.decode(b"\n".join([payload] * 5), 5)
    assert table is not None
    assert table.num_rows == 5
    assert table.column("d").to_pylist() == [Number("0.50")] * 5


GOOD = b'{"i":1,"w":2,"d":0.50,"f":1.5,"s":"a","b":true,"t":"2025-11-30T11:53:26Z","y":"2025-11-30"}'


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), PAYLOADS), min_size=1, max_size=9))
@example([(3, b'{"i":1}\n{"i":2}')])
@example([(0, b'{"i":"5"}'), (39, b'{"y":"2025-02-30"}')])
@example([(5, b'{"t":"2025-11-30 11:53:26Z"}')])
@example([(5, b'{"d":10000000000}')])
@example([(5, b'{"i":1,"i":2}')])
def test_a_few_odd_records_among_good_ones_are_read_as_they_would_be_alone(
    odd: list[tuple[int, bytes | None]],
) -> None:
    """Suspects are left out of the block, at once where the block before had some too."""
    payloads: list[bytes | None] = [GOOD] * 40
    for place, payload in odd:
        payloads[place] = payload
    codec = JsonCodec(FIELDS)
    for _ in range(3):
        assert_block(codec, payloads)
    assert_block(codec, [GOOD] * 3)


@pytest.mark.parametrize(
    "poison", [b"\xff", b'{"i":"5"}', b'{"i":1', b'{"y":"2025-02-30"}', b'{"f":true}', b'{"w":2147483648}']
)
def test_bad_records_are_the_only_ones_that_are_read_row_by_row(
    poison: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in a hundred, of whatever kind: else each would cost a part of its block."""
    read: list[bytes | None] = []

    def counting(payload: bytes | None, fields: tuple[Field, ...]) -> Row:
        read.append(payload)
        return decode_row(payload, fields)

    monkeypatch.setattr(blocks, "decode_row", counting)
    payloads: list[bytes | None] = [GOOD] * 2000
    payloads[50::100] = [poison] * 20
    codec = JsonCodec(FIELDS)
    for _ in range(2):
        decoded = codec.decode(payloads)
        assert [bad.index for bad in decoded.bad] == list(range(50, 2000, 100))
    assert read == [poison] * 40

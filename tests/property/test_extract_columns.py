"""Rows as columns: the way over whole columns and the way over JSON agree on every value of every type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.check import ContractCheck
from ingest.extract.columns.records import ColumnRecords
from lake.contracts import Contract, StreamKind
from lake.contracts.contract import Rule, RuleKind
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

KINDS: list[FieldType] = [
    *Primitive,
    Decimal(precision=12, scale=2),
    Decimal(precision=38, scale=0),
    Decimal(precision=38, scale=20),
    Struct(fields=(Field(name="a", type=Primitive.LONG), Field(name="b", type=Primitive.STRING))),
    ListOf(element=Primitive.LONG),
    MapOf(key=Primitive.STRING, value=Primitive.DOUBLE),
]
INTEGERS = st.sampled_from(
    [0, 1, -1, 7, 127, -128, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)]
)
FLOATS = (
    st.sampled_from(
        [0.0, -0.0, 1.0, 3.7, 0.1, 0.505, 1e20, 1e-7, 2.0**53, 2.0**63, -3.0, float("nan"), float("inf")]
    )
    | st.floats()
)
NUMBERS = st.sampled_from(["0", "1.50", "0.505", "-3", "99999999.99", "12345678.9"]).map(Number)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.sampled_from(
    [datetime(2026, 3, 29, 2, 30), datetime(2026, 10, 25, 2, 30), datetime(2026, 1, 1), datetime(1970, 1, 1)]
)
MODERN = st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1))
TEXTS = (
    st.sampled_from(
        """|x|5|-5|007|+5| 5|5.0|1e2|1.505|.5|5.|-0|true|True|null|NaN|aGk=|[1]|{"a":1}|ä|1_0|٣|0000-01-01
        |2026-01-01|2026-02-30|2026-01-01T00:00:00Z|2026-01-01 00:00:00|2026-01-01T00:00:00+01:00
        |2026-03-29T02:30:00|2026-10-25 02:30:00|2026-01-01T00:00:00.1234567Z|9223372036854775808
        |12345678901234567890.12""".replace("\n        ", "").split("|")
    )
    | st.sampled_from(["1" * 40, "0." + "1" * 40])
    | st.text(max_size=8)
)
SOURCES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    *((kind, INTEGERS) for kind in (pa.int8(), pa.int32(), pa.int64(), pa.uint64())),
    *((kind, FLOATS) for kind in (pa.float32(), pa.float64())),
    *((kind, NUMBERS) for kind in (pa.decimal128(10, 3), pa.decimal128(38, 10))),
    *((kind, TEXTS) for kind in (pa.string(), pa.large_string())),
    (pa.bool_(), st.booleans()),
    *((kind, st.dates(date(1, 1, 2))) for kind in (pa.date32(), pa.date64())),
    *((pa.timestamp("us", tz), MOMENTS) for tz in (None, "UTC")),
    *((pa.timestamp(unit, tz), MODERN) for unit in ("s", "ms", "ns") for tz in (None, "Europe/Berlin")),
    (pa.binary(), st.binary(max_size=4)),
    (pa.list_(pa.int64()), st.lists(st.integers(-9, 9), max_size=3)),
    (
        pa.struct([("a", pa.int32()), ("b", pa.string())]),
        st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.text(max_size=3)}),
    ),
    (
        pa.map_(pa.string(), pa.float64()),
        st.lists(st.tuples(st.text(max_size=2), FLOATS), max_size=2, unique_by=lambda p: p[0]),
    ),
]


def contract_of(kind: FieldType, rules: tuple[Rule, ...]) -> Contract:
    return Contract(
        stream="x", family="x", version="1.0.0", kind=StreamKind.EXTRACT, owner="testers", description="",
        fields=(Field(name="v", type=kind), Field(name="gone", type=Primitive.STRING)), primary_key=("v",),
        rules=rules,
    )  # fmt: skip


def build(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """Make a column of what fits into the type."""
    kept = []
    for value in values:
        plain = value
        if pa.types.is_timestamp(kind) and value is not None:
            plain = value.replace(tzinfo=UTC) if kind.tz else value
            if kind.unit == "s":
                plain = plain.replace(microsecond=0)
            if kind.unit == "ms":
                plain = plain.replace(microsecond=plain.microsecond // 1000 * 1000)
        try:
            pa.array([plain], kind)
        except (pa.ArrowInvalid, OverflowError):
            continue
        kept.append(plain)
    return pa.array(kept, kind)


def same(one: Any, other: Any) -> bool:
    """Compare with NaN equal to itself and -0.0 different from 0.0."""
    return repr(one) == repr(other)


required = (Rule(kind=RuleKind.REQUIRED, path="v"),)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    source=st.sampled_from(SOURCES),
    zone=st.sampled_from(["", "UTC", "Europe/Berlin"]),
    rules=st.sampled_from([(), required]),
    data=st.data(),
)
def test_typed_columns_mean_what_they_mean_as_json(kind, source, zone, rules, data):
    """Rows, their places and every failure are the same on both ways."""
    arrow, strategy = source
    column = build(arrow, data.draw(st.lists(st.none() | strategy, min_size=1, max_size=40)))
    agree(column, kind, rules, cells=False, zone=zone)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    texts=st.lists(st.none() | TEXTS, min_size=1, max_size=40),
    zone=st.sampled_from(["", "Europe/Berlin"]),
    rules=st.sampled_from([(), required]),
)
def test_cells_mean_what_they_mean_as_json(kind, texts, zone, rules):
    """The same for the texts of a CSV file."""
    agree(pa.array(texts, pa.string()), kind, rules, cells=True, zone=zone)


def agree(column: pa.Array, kind: FieldType, rules: tuple[Rule, ...], *, cells: bool, zone: str) -> None:
    contract = contract_of(kind, rules)
    check = ContractCheck(contract)
    records = ColumnRecords(
        rows=pa.table({"v": column, "other": column}), contract=contract, cells=cells, zone=zone
    )

    fast = records.split(check)
    slow = check.split(records.raw(range(len(records))))

    everything = list(range(len(records)))
    assert (fast.places.to_pylist() if fast.places is not None else everything) == (
        slow.places.to_pylist() if slow.places is not None else everything
    )
    assert same(fast.rows.to_pylist(), slow.rows.to_pylist())
    assert fast.failures == slow.failures


def test_a_list_where_the_contract_says_map_is_refused_and_its_neighbours_land():
    """Arrow gives a map as pairs; a list of anything else is a list."""
    contract = contract_of(MapOf(key=Primitive.STRING, value=Primitive.LONG), ())
    records = ColumnRecords(
        rows=pa.table({"v": pa.array([[0], None], pa.list_(pa.int64()))}), contract=contract
    )

    split = records.split(ContractCheck(contract))

    assert split.rows["v"].to_pylist() == [None]
    assert [failure.rule for failure in split.failures[0]] == ["type"]


def test_text_that_is_no_utf8_is_refused_and_kept():
    """Its bytes stand in quarantine as Base64; its neighbours land."""
    column = pa.array([b"fine", b"d\xe9j\xe0", b"vu"]).cast(pa.binary()).view(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, column.buffers())
    contract = contract_of(Primitive.STRING, ())
    records = ColumnRecords(rows=pa.table({"v": text}), contract=contract)

    split = records.split(ContractCheck(contract))

    assert split.rows["v"].to_pylist() == ["fine", "vu"]
    assert [f.rule for f in split.failures[1]] == ["type"]
    assert records.raw([1]) == [b'{"v":{"no UTF-8":"ZOlq4A=="}}']

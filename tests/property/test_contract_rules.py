"""Rules on columns refuse exactly the rows that the same rules on records refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.catalog import arrow_schema
from lake.contracts import Rule, RuleKind
from lake.contracts.checks import bad_rows, explain, find_violations
from lake.contracts.values import broken_rules
from lake.types import Decimal, Field, Primitive, Struct

FIELDS = (
    Field(name="i", type=Primitive.LONG),
    Field(name="d", type=Decimal(precision=12, scale=2)),
    Field(name="f", type=Primitive.DOUBLE),
    Field(name="s", type=Primitive.STRING),
    Field(name="t", type=Primitive.TIMESTAMPTZ),
    Field(name="y", type=Primitive.DATE),
    Field(name="o", type=Struct(fields=(Field(name="c", type=Primitive.LONG),))),
)
SCHEMA = arrow_schema(FIELDS)

BOUNDS: dict[str, st.SearchStrategy[Any]] = {
    "i": st.one_of(st.integers(-5, 5).map(Number), st.sampled_from([Number("0.5"), Number(10) ** 20])),
    "d": st.decimals(min_value=-5, max_value=5, places=3),
    "f": st.decimals(min_value=-5, max_value=5, places=1),
    "t": st.sampled_from(["2025-01-01T00:00:00Z", "2025-01-01T01:00:00+01:00", "2025-06-01T00:00:00"]),
    "y": st.sampled_from(["2025-01-01", "2025-06-01"]),
    "o.c": st.integers(-5, 5).map(Number),
}
RANGES = [RuleKind.MINIMUM, RuleKind.MAXIMUM, RuleKind.EXCLUSIVE_MINIMUM, RuleKind.EXCLUSIVE_MAXIMUM]
RULES = st.one_of(
    st.sampled_from(sorted(BOUNDS)).flatmap(
        lambda path: st.builds(
            lambda kind, argument: Rule(kind=kind, path=path, argument=argument),
            st.sampled_from(RANGES),
            BOUNDS[path],
        )
    ),
    st.sampled_from(["i", "d", "f", "s", "t", "y", "o", "o.c"]).map(
        lambda path: Rule(kind=RuleKind.REQUIRED, path=path)
    ),
    st.builds(
        lambda kind, length: Rule(kind=kind, path="s", argument=length),
        st.sampled_from([RuleKind.MIN_LENGTH, RuleKind.MAX_LENGTH]),
        st.integers(0, 3),
    ),
    st.sampled_from(["^a+$", "b", "é"]).map(lambda p: Rule(kind=RuleKind.PATTERN, path="s", argument=p)),
    st.sampled_from([("a", "é"), ("",)]).map(lambda v: Rule(kind=RuleKind.ALLOWED, path="s", argument=v)),
    st.just(Rule(kind=RuleKind.ALLOWED, path="i", argument=(Number(1), Number(2)))),
)
ROWS = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-5, 5),
        "d": st.none() | st.decimals(min_value=-5, max_value=5, places=2),
        "f": st.none() | st.floats(-5, 5) | st.just(float("nan")),
        "s": st.none() | st.text("ab😀é", max_size=3),
        "t": st.none()
        | st.sampled_from([datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, 1, tzinfo=UTC)]),
        "y": st.none() | st.sampled_from([date(2025, 1, 1), date(2025, 6, 2)]),
        "o": st.none() | st.fixed_dictionaries({"c": st.none() | st.integers(-5, 5)}),
    }
)


def refused(rows: list[dict[str, Any]], rules: list[Rule]) -> list[int]:
    """Return the positions of the rows that the columnar check refuses."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    mask = bad_rows(find_violations(table, rules), table.num_rows).to_pylist()
    return [number for number, is_bad in enumerate(mask) if is_bad]


@settings(max_examples=300, deadline=None)
@given(st.lists(RULES, max_size=5), st.lists(ROWS, max_size=6))
def test_columns_refuse_the_rows_that_records_refuse(rules: list[Rule], rows: list[dict[str, Any]]) -> None:
    """Neither a row too many nor one too few, also for members of objects."""
    assert refused(rows, rules) == [n for n, row in enumerate(rows) if any(broken_rules(row, rules))]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (Rule(kind=RuleKind.REQUIRED, path="i"), {"i": 0}, {"i": None}),
        (
            Rule(kind=RuleKind.MINIMUM, path="d", argument=Number("0.10")),
            {"d": Number("0.10")},
            {"d": Number("0.09")},
        ),
        (Rule(kind=RuleKind.MAXIMUM, path="f", argument=Number(1)), {"f": 1.0}, {"f": float("nan")}),
        (Rule(kind=RuleKind.EXCLUSIVE_MINIMUM, path="i", argument=Number(0)), {"i": 1}, {"i": 0}),
        (
            Rule(kind=RuleKind.EXCLUSIVE_MAXIMUM, path="y", argument="2025-01-01"),
            {"y": date(2024, 12, 31)},
            {"y": date(2025, 1, 1)},
        ),
        (Rule(kind=RuleKind.MIN_LENGTH, path="s", argument=1), {"s": "é"}, {"s": ""}),
        (Rule(kind=RuleKind.MAX_LENGTH, path="s", argument=1), {"s": "😀"}, {"s": "ab"}),
        (Rule(kind=RuleKind.PATTERN, path="s", argument="^a+$"), {"s": "aa"}, {"s": "ab"}),
        (Rule(kind=RuleKind.ALLOWED, path="s", argument=("a",)), {"s": "a"}, {"s": "b"}),
        (Rule(kind=RuleKind.MINIMUM, path="o.c", argument=Number(1)), {"o": {"c": 1}}, {"o": {"c": 0}}),
    ],
)
def test_each_rule_can_pass_and_can_fail(rule: Rule, good: dict[str, Any], bad: dict[str, Any]) -> None:
    """A check that can't fail is no check."""
    assert list(broken_rules(good, [rule])) == []
    assert list(broken_rules(bad, [rule])) == [rule]
    assert refused([good, bad], [rule]) == [1]


def test_personal_data_stays_out_of_messages() -> None:
    """Quarantine is read by more people than the table."""
    rule = Rule(kind=RuleKind.MAX_LENGTH, path="s", argument=1, masked=True)
    table = pa.Table.from_pylist([{"s": "Ada Lovelace"}], schema=SCHEMA)
    (breach,) = explain(table, find_violations(table, [rule]))
    assert "Ada" not in breach.message

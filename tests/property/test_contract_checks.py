"""Checks on whole columns mean exactly what the rules mean on single values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as Number

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.contracts import Rule, RuleKind
from lake.contracts.checks import bad_rows, explain, find_violations
from lake.contracts.values import breaks, member

BOUNDS = (
    RuleKind.MINIMUM,
    RuleKind.MAXIMUM,
    RuleKind.EXCLUSIVE_MINIMUM,
    RuleKind.EXCLUSIVE_MAXIMUM,
)
LENGTHS = (RuleKind.MIN_LENGTH, RuleKind.MAX_LENGTH)
numbers = st.decimals(-50, 50, places=3) | st.sampled_from([Number(2**70), Number(-(2**70)), Number("0.1")])
texts = st.text("ab0é\n ", max_size=4)
patterns = st.sampled_from(["^a", "b$", r"^\d+$", r"^\w*$", "a.b", "^$"])
days = st.dates(date(2024, 1, 1), date(2024, 1, 9))
moments = st.datetimes(datetime(2024, 1, 1), datetime(2024, 1, 9), timezones=st.just(UTC))

TYPES = {
    "long": (pa.int64(), st.integers(-60, 60) | st.sampled_from([2**63 - 1, -(2**63)])),
    "int": (pa.int32(), st.integers(-60, 60)),
    "money": (pa.decimal128(12, 2), st.decimals(-50, 50, places=2)),
    "double": (pa.float64(), st.floats() | st.sampled_from([0.1, 0.0, float("nan")])),
    "text": (pa.string(), texts),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), days),
    "moment": (pa.timestamp("us", tz="UTC"), moments),
}


@st.composite
def rules_of(draw, name: str) -> Rule:
    """Draw a rule that the parser lets through for a column of that type."""
    masked = draw(st.booleans())
    if name in {"long", "int", "money", "double"}:
        kind = draw(st.sampled_from([RuleKind.REQUIRED, RuleKind.ALLOWED, *BOUNDS]))
        argument = draw(numbers)
        allowed = tuple(draw(st.lists(numbers, min_size=1, max_size=4)))
    elif name == "text":
        kind = draw(st.sampled_from([RuleKind.REQUIRED, RuleKind.ALLOWED, RuleKind.PATTERN, *LENGTHS]))
        argument = draw(patterns) if kind is RuleKind.PATTERN else draw(st.integers(0, 4))
        allowed = tuple(draw(st.lists(texts, min_size=1, max_size=4)))
    elif name == "flag":
        kind = draw(st.sampled_from([RuleKind.REQUIRED, RuleKind.ALLOWED]))
        argument, allowed = None, (draw(st.booleans()),)
    else:
        kind = draw(st.sampled_from([RuleKind.REQUIRED, *BOUNDS]))
        argument, allowed = draw(days if name == "day" else moments).isoformat(), ()
    if kind is RuleKind.REQUIRED:
        argument = None
    chosen = allowed if kind is RuleKind.ALLOWED else argument
    return Rule(kind=kind, path=name, argument=chosen, masked=masked)


@st.composite
def tables(draw, names: tuple[str, ...] = tuple(TYPES)) -> tuple[pa.Table, list[Rule]]:
    rows = draw(st.integers(0, 8))
    columns, rules = {}, []
    for name in names:
        kind, values = TYPES[name]
        cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[name] = pa.array(cells, kind)
        rules += draw(st.lists(rules_of(name), min_size=1, max_size=3))
    return pa.table(columns), rules


@pytest.mark.parametrize("name", TYPES)
@settings(deadline=None)
@given(data=st.data())
def test_columns_are_judged_as_their_values_are(name: str, data: st.DataObject):
    """For every type and rule, the masks are those of judging value by value."""
    table, rules = data.draw(tables((name,)))
    expected = [[breaks(rule, value) for value in table[rule.path].to_pylist()] for rule in rules]

    found = {id(v.rule): v.rows.to_pylist() for v in find_violations(table, rules)}

    clean = [False] * table.num_rows
    assert [found.get(id(rule), clean) for rule in rules] == expected


@settings(max_examples=40, deadline=None)
@given(tables())
def test_every_broken_rule_of_every_row_is_explained(drawn):
    """Breaches come by row, then by rule, and name no personal value."""
    table, rules = drawn
    violations = find_violations(table, rules)
    records = table.to_pylist()
    expected = [
        (row, rule.name, rule.path)
        for row, record in enumerate(records)
        for rule in rules
        if breaks(rule, record[rule.path])
    ]

    breaches = list(explain(table, violations))

    assert [(b.row, b.rule, b.path) for b in breaches] == expected
    assert {row for row, *_ in expected} == {
        i for i, bad in enumerate(bad_rows(violations, table.num_rows).to_pylist()) if bad
    }
    assert all(b.message.startswith(b.path) for b in breaches)


@settings(deadline=None)
@given(st.lists(st.none() | st.fixed_dictionaries({"city": st.none() | texts}), max_size=6))
def test_a_member_is_missed_only_where_its_struct_is_there(addresses):
    """`required` inside an optional object binds only objects that exist."""
    kind = pa.struct([pa.field("city", pa.string())])
    table = pa.table({"address": pa.array(addresses, kind)})
    rule = Rule(kind=RuleKind.REQUIRED, path="address.city")

    broken = [b.row for b in explain(table, find_violations(table, [rule]))]

    expected = []
    for row, record in enumerate(table.to_pylist()):
        present, value = member(record, rule.path)
        if present and value is None:
            expected.append(row)
    assert broken == expected


def test_messages_say_what_is_wrong_and_hide_personal_values():
    """The text names path, value and bound; a masked rule leaves the value out."""
    table = pa.table({"quantity": [3, -4], "age": ["19-24", "very old"]})
    rules = [
        Rule(kind=RuleKind.MINIMUM, path="quantity", argument=Number(0)),
        Rule(kind=RuleKind.ALLOWED, path="age", argument=("19-24",), masked=True),
    ]

    messages = [b.message for b in explain(table, find_violations(table, rules))]

    assert messages == ["quantity: -4 is not >= 0", "age: the value (personal data) is none of 19-24"]

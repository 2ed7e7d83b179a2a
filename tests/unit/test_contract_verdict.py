"""What a changed contract may do, by its changes, its level and what is deployed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as Number

import pytest

from ingest.deploy.review import overdue
from lake.contracts import Compatibility, Contract, Format, Mode, Rule, RuleKind, Status, parse_contract
from lake.contracts.evolution import Effect, find_changes, judge
from lake.types import Field, Primitive
from tests.fakes.orders_contract import EVENTS

BASE = parse_contract(EVENTS)


def changed(text_old: str, text_new: str, version: str = "1.1.0") -> Contract:
    """Return the example with one text replaced, as its next version."""
    assert text_old in EVENTS
    return parse_contract(EVENTS.replace(text_old, text_new).replace("1.0.0", version))


def rule(kind: RuleKind, argument: object) -> Contract:
    """Return the example with one more rule on total."""
    more = Rule(kind=kind, path="total", argument=argument)  # type: ignore[arg-type]
    return replace(BASE, rules=(*BASE.rules, more))


PIECES = "{name: pieces, logicalType: integer}"


@pytest.mark.parametrize(
    ("new", "effect"),
    [
        (changed(PIECES, PIECES + "\n      - {name: note, logicalType: string}"), Effect.ADDS),
        (changed(PIECES, PIECES[:-1] + ", logicalTypeOptions: {format: i64}}"), Effect.WIDENS),
        (changed("decimal(12,2)', required: true", "decimal(14,2)', required: true"), Effect.WIDENS),
        (changed("decimal(12,2)', required: true", "decimal(12,2)'"), Effect.RELAXES),
    ],
)
def test_adding_widening_and_relaxing_may_be_deployed_to_a_live_table(new: Contract, effect: Effect):
    """Each is one change, allowed by the usual level."""
    verdict = judge(new, [BASE])

    assert verdict.allowed
    assert [change.effect for change in verdict.changes] == [effect]
    assert (verdict.deployed, verdict.version) == ("1.0.0", "1.1.0")


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (changed(PIECES, "{name: count, logicalType: integer}"), "pieces: removed, was optional int"),
        (changed(PIECES, "{name: pieces, logicalType: string}"), "pieces: int → string"),
        (changed(PIECES, PIECES[:-1] + ", required: true}"), "pieces: optional → required: BACKWARD: 1.1.0"),
        (changed("decimal(12,2)", "decimal(12,3)"), "decimal(12,2) → decimal(12,3)"),
        (changed("required: true, primaryKey: true", "required: true}\n      - {name: k, logicalType: string,"
                 " required: true, primaryKey: true"), "primary key id → k"),
        (changed("shop.events", "shop.other"), "topic shop.events → shop.other"),
    ],
)  # fmt: skip
def test_a_breaking_change_is_named_with_the_reason(new: Contract, says: str):
    """Column, change, and who can't follow."""
    verdict = judge(new, [BASE])

    assert not verdict.allowed
    assert verdict.is_breaking
    assert any(says in str(problem) for problem in verdict.problems)


def test_a_deployed_version_is_final():
    """The same number may not say something else, and no older one may follow."""
    silent = changed("decimal(12,2)", "decimal(14,2)", version="1.0.0")
    older = changed("decimal(12,2)", "decimal(14,2)", version="0.9.0")

    (problem,) = judge(silent, [BASE]).problems
    assert "version 1.0.0 is deployed and says something else (total: decimal(12,2) → decimal(14,2))" in str(
        problem
    )
    assert "is older than 1.0.0" in str(judge(older, [BASE]).problems[0])
    assert judge(BASE, [BASE]).is_deployed
    assert judge(BASE, []).allowed


def test_words_and_agreements_are_no_change():
    """Owner, description, service levels and the breaker move freely."""
    new = replace(BASE, owner="x", description="y", freshness=None, completeness=0.5)

    assert find_changes(BASE, new) == ()


@pytest.mark.parametrize(
    ("old", "new", "reads_old", "old_reads"),
    [
        (BASE, rule(RuleKind.MINIMUM, Number(0)), False, True),
        (rule(RuleKind.MINIMUM, Number(1)), rule(RuleKind.MINIMUM, Number(0)), True, False),
        (rule(RuleKind.MAXIMUM, Number(1)), rule(RuleKind.MAXIMUM, Number(0)), False, True),
        (rule(RuleKind.ALLOWED, ("a",)), rule(RuleKind.ALLOWED, ("a", "b")), True, False),
        (rule(RuleKind.ALLOWED, ("a", "c")), rule(RuleKind.ALLOWED, ("a", "b")), False, False),
        (rule(RuleKind.PATTERN, "^a"), rule(RuleKind.PATTERN, "a"), False, False),
        (rule(RuleKind.MAX_LENGTH, 5), rule(RuleKind.MAX_LENGTH, 8), True, False),
        (
            rule(RuleKind.MINIMUM, "2025-01-01T00:00:00+05:00"),
            rule(RuleKind.MINIMUM, "2025-01-01"),
            False,
            True,
        ),
    ],
)
def test_a_narrower_rule_reads_less_and_a_wider_one_more(old, new, reads_old, old_reads):
    """Rules count like types; what nobody can tell is both."""
    (change,) = find_changes(old, new)

    assert (change.reads_old, change.old_reads, change.effect) == (reads_old, old_reads, Effect.NONE)


def test_protobuf_numbers_that_move_break_and_fixed_ones_do_not():
    """A member put in between moves all behind it, unless they are fixed."""
    first = Field(name="id", type=Primitive.STRING)
    between = Field(name="code", type=Primitive.STRING)
    fixed, loose = Field(name="sum", type=Primitive.LONG, number=2), Field(name="sum", type=Primitive.LONG)
    proto = replace(BASE, format=Format.PROTOBUF, rules=())

    def difference(*fields: Field) -> list[str]:
        return [
            str(c) for c in find_changes(replace(proto, fields=(first, loose)), replace(proto, fields=fields))
        ]

    assert difference(first, between, loose)[1].startswith("sum: Protobuf number 2 → 3")
    assert difference(first, replace(between, number=3), fixed) == ["code: added, optional string"]


def test_the_mode_of_a_table_can_not_change():
    """A table of rows does not become one of changes."""
    verdict = judge(replace(BASE, version="1.1.0", mode=Mode.UPSERT), [BASE])

    assert "mode append → upsert: the live table" in str(verdict.problems[0])


def test_readers_are_asked_about_touched_columns_only():
    """New columns have no reader yet; a member of an object touches its column."""
    new = changed(PIECES, "{name: pieces, logicalType: string}\n      - {name: note, logicalType: string}")

    assert judge(replace(new, compatibility=Compatibility.NONE), [BASE]).columns == ("pieces",)


def test_a_version_past_the_end_of_its_support_is_a_warning():
    """From the day after, and only while it is deprecated; it goes on landing."""
    old = replace(BASE, status=Status.DEPRECATED, end_of_support=date(2026, 1, 31))

    assert list(overdue([old], date(2026, 1, 31))) == []
    assert list(overdue([replace(old, status=Status.ACTIVE)], date(2026, 2, 3))) == []
    (warning,) = overdue([old], date(2026, 2, 3))
    assert "orders 1.0.0 is deprecated and its support ended on 2026-01-31, 3 days ago" in warning

"""The pure heart of activation: what a diff promises for every mart and every ledger."""

from __future__ import annotations

import json
import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lake.activation import accept, diff
from lake.activation.identity import idempotency_key, plan_digest
from lake.activation.rows import to_value
from lake.control.activation_values import LedgerEntry, Operation, count_changes

keys = st.sampled_from([f"h{n}" for n in range(8)])
payloads = st.dictionaries(
    st.sampled_from(["tier", "value", "day"]), st.one_of(st.integers(0, 2), st.sampled_from(["a", "b"]))
)
marts = st.dictionaries(keys, payloads)


@st.composite
def ledgers(draw):
    content = draw(st.dictionaries(keys, st.one_of(st.none(), payloads)))
    return {
        key: LedgerEntry(key=key, payload=payload, revision=draw(st.integers(1, 5)))
        for key, payload in content.items()
    }


def live(ledger):
    return {key: dict(entry.payload) for key, entry in ledger.items() if entry.payload is not None}


def accept_all(ledger, changes):
    for change in changes:
        ledger = accept(ledger, change)
    return ledger


@given(mart=marts, ledger=ledgers())
def test_accepting_a_diff_makes_the_ledger_equal_to_the_mart(mart, ledger):
    """apply(diff(a, b)) to a gives b, and then there is nothing left to send."""
    after = accept_all(ledger, diff(mart, ledger))
    assert live(after) == {key: dict(payload) for key, payload in mart.items()}
    assert diff(mart, after) == ()


@given(mart=marts, ledger=ledgers())
def test_a_diff_touches_each_key_once_and_only_what_differs(mart, ledger):
    """No key twice, no change that changes nothing, creates and deletes where a side is missing."""
    changes = diff(mart, ledger)
    assert len({c.key for c in changes}) == len(changes)
    before = live(ledger)
    for change in changes:
        assert before.get(change.key) != mart.get(change.key)
        expected = (
            Operation.CREATE
            if change.key not in before
            else Operation.UPDATE
            if change.key in mart
            else Operation.DELETE
        )
        assert change.operation is expected
    counted = count_changes(changes)
    assert counted.total == len(changes)
    assert all(n <= counted.updates for n in counted.updates_by_field.values())


@given(states=st.lists(marts, min_size=1, max_size=6))
def test_no_two_deliveries_of_a_history_share_an_idempotency_key(states):
    """Whatever the mart goes through, A→B→A too, each accepted change has a key of its own."""
    ledger, seen = {}, []
    for mart in states:
        changes = diff(mart, ledger)
        seen += [idempotency_key("s", c.operation, c.key, c.revision) for c in changes]
        ledger = accept_all(ledger, changes)
    assert len(set(seen)) == len(seen)


def test_a_b_a_is_sent_three_times():
    """The revision grows with each accepted content, so the third sending is no repeat of the first."""
    a, b = {"h1": {"tier": "gold"}}, {"h1": {"tier": "silver"}}
    ledger, sent = {}, []
    for mart in (a, b, a):
        (change,) = diff(mart, ledger)
        sent.append((change.operation, change.revision))
        ledger = accept(ledger, change)
    assert sent == [(Operation.CREATE, 0), (Operation.UPDATE, 1), (Operation.UPDATE, 2)]


def test_a_key_deleted_and_created_again_goes_on_counting():
    """A tombstone keeps the revision: the second create is not taken for the first."""
    ledger, sent = {}, []
    for mart in ({"h1": {"tier": "gold"}}, {}, {"h1": {"tier": "gold"}}):
        (change,) = diff(mart, ledger)
        sent.append(idempotency_key("s", change.operation, change.key, change.revision))
        ledger = accept(ledger, change)
    assert len(set(sent)) == 3
    assert ledger["h1"].revision == 3


@given(mart=marts, ledger=ledgers())
def test_a_digest_follows_from_content_alone(mart, ledger):
    """Order of rows and of properties has no part in it; mapping and content have."""
    changes = diff(mart, ledger)
    shuffled = diff(
        {k: dict(reversed(list(v.items()))) for k, v in reversed(list(mart.items()))},
        dict(reversed(list(ledger.items()))),
    )
    assert plan_digest("s", "m", changes) == plan_digest("s", "m", reversed(shuffled))
    assert plan_digest("s", "m", changes) != plan_digest("s", "other", changes)
    if changes:
        assert plan_digest("s", "m", changes) != plan_digest("s", "m", changes[1:])


@given(
    value=st.one_of(
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=True, allow_infinity=True),
        st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=10**12, min_value=-(10**12)),
        st.booleans(),
        st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",))),
        st.datetimes(),
        st.dates(),
        st.none(),
    )
)
def test_a_value_survives_json(value):
    """What is sent reads back equal, so that a ledger row compares equal to the mart row it came from."""
    sent = to_value(value)
    assert json.loads(json.dumps(sent, allow_nan=False)) == sent
    if isinstance(value, Decimal):
        assert math.isclose(float(value), float(sent), rel_tol=1e-15)

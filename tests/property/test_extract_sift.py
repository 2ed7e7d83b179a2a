"""However records are added, changed, broken and paged: each version is new exactly once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.extract.cursor import Cursor, bytes_identity, instant_text, record_identity
from ingest.extract.judge import Judge
from ingest.extract.sift import Keys, sift
from lake.clock import SystemClock
from lake.contracts import parse_contract
from lake.errors import TerminalError
from tests.fakes.paged_api import CONTRACT

JUDGE = Judge(parse_contract(CONTRACT), instant="updated_at", clock=SystemClock())
KEYS = Keys(
    resource="shop.things",
    primary=("id",),
    columns=("id", "name", "price", "updated_at"),
    instant="updated_at",
    instant_type=datetime,
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def record(number: int, second: int, **values: Any) -> dict[str, Any]:
    at = instant_text(START + timedelta(seconds=second))
    return {"id": number, "name": "x", "price": 1, "updated_at": at} | values


@dataclass
class Source:
    """An API's records in its own order: those without a time come first, always."""

    records: dict[Any, dict[str, Any]] = field(default_factory=dict)
    second: int = 0
    changes: int = 0

    def change(self, number: int, later: int, kind: str) -> None:
        """Add or change one record now, `later` seconds after the newest one."""
        self.second += later
        if kind == "timeless":
            self.records["timeless", number, self.second] = record(
                number, 0, updated_at=None, name=str(self.second)
            )
        else:
            self.changes += 1
            price = -1 if kind == "bad" else self.changes
            self.records[number] = record(number, self.second, price=price)

    def since(self, instant: str | None) -> list[bytes]:
        ordered = sorted(self.records.values(), key=lambda r: (r["updated_at"] or "", r["id"]))
        return [
            json.dumps(r).encode()
            for r in ordered
            if instant is None or r["updated_at"] is None or r["updated_at"] >= instant
        ]


steps = st.tuples(
    st.sampled_from(["good", "good", "bad", "timeless"]), st.integers(1, 6), st.sampled_from([0, 0, 1, 5])
)
runs = st.lists(
    st.tuples(st.lists(steps, max_size=6), st.integers(1, 4), st.none() | st.integers(0, 3)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(runs)
def test_each_version_of_each_record_is_new_exactly_once(drawn):
    """Runs in batches of any size, some of which end early, lose and repeat nothing."""
    source, stored = Source(), Cursor()
    landed: list[tuple[int, str, int]] = []
    quarantined: list[bytes] = []
    numbers: list[int] = []
    sent_good: set[tuple[int, str, int]] = set()
    sent_bad: set[bytes] = set()
    for changes, size, ends_after in [*drawn, ([], 3, None)]:
        for kind, number, later in changes:
            source.change(number, later, kind)
        answer = source.since(stored.since)
        for batch, start in enumerate(range(0, len(answer), size)):
            if ends_after is not None and batch >= ends_after:
                break  # killed before this commit
            raw = answer[start : start + size]
            for text in raw:
                parsed = json.loads(text)
                if parsed["price"] >= 0 and parsed["updated_at"]:
                    sent_good.add((parsed["id"], parsed["updated_at"], parsed["price"]))
                else:
                    sent_bad.add(text)
            sifted = sift(JUDGE.judge(raw).checked, stored, KEYS)
            rows = sifted.rows.to_pylist()
            landed += [(row["id"], instant_text(row["updated_at"]), int(row["price"])) for row in rows]
            quarantined += [raw[place] for place in sifted.bad]
            numbers += sorted([*sifted.offsets.to_pylist(), *sifted.bad_offsets])
            stored = Cursor.from_json(sifted.cursor.to_json(), table="t")

    assert sorted(landed) == sorted(sent_good)
    assert sorted(quarantined) == sorted(sent_bad)
    assert numbers == list(range(len(landed) + len(quarantined)))
    assert stored.sequence == len(numbers)


def test_an_api_that_ignores_the_time_is_an_error():
    """Records from before the asked time would be taken for new ones."""
    cursor = Cursor(since=instant_text(START + timedelta(seconds=5)))
    checked = JUDGE.judge([json.dumps(record(1, 4)).encode()]).checked

    with pytest.raises(TerminalError, match="was asked for those from 2026-01-01T00:00:05Z on"):
        sift(checked, cursor, KEYS)


def test_an_api_without_order_is_an_error():
    """A cursor can't stand for what came before when times go back."""
    raw = [json.dumps(record(n, second)).encode() for n, second in enumerate((1, 3, 2))]

    with pytest.raises(TerminalError, match="not ordered by updated_at"):
        sift(JUDGE.judge(raw).checked, Cursor(), KEYS)


def test_a_page_that_comes_twice_is_taken_once():
    """The same versions inside one batch are one."""
    raw = [json.dumps(record(n, 1)).encode() for n in (1, 2, 1, 2, 3)]

    sifted = sift(JUDGE.judge(raw).checked, Cursor(), KEYS)

    assert sifted.rows["id"].to_pylist() == [1, 2, 3]
    assert sifted.offsets.to_pylist() == [0, 1, 2]


def test_a_change_within_one_tick_of_the_clock_is_new():
    """The same key at the same instant with other content: in the same batch and in a later run."""
    one, two, three = (json.dumps(record(1, 1, price=price)).encode() for price in (1, 2, 3))

    first = sift(JUDGE.judge([one, two]).checked, Cursor(), KEYS)
    again = sift(JUDGE.judge([two, three]).checked, first.cursor, KEYS)

    assert [int(price) for price in first.rows["price"].to_pylist()] == [1, 2]
    assert [int(price) for price in again.rows["price"].to_pylist()] == [3]


def test_a_column_that_a_contract_gained_makes_no_record_new():
    """A null counts as missing: otherwise every record at the cursor's instant would land again."""
    assert record_identity({"id": 1, "gained": None}) == record_identity({"id": 1})


def test_what_is_quarantined_ahead_is_final():
    """After a crash between the two commits a record stays in quarantine, though it passes now."""
    good, bad = json.dumps(record(1, 1)).encode(), json.dumps(record(2, 1, price=-1)).encode()
    first = sift(JUDGE.judge([good, bad]).checked, Cursor(), KEYS)
    pending = frozenset({bytes_identity(bad)})

    again = sift(JUDGE.judge([good, bad]).checked, Cursor(sequence=2), KEYS, pending=pending)

    assert again.rows["id"].to_pylist() == [1]
    assert (again.bad, again.offsets.to_pylist()) == ((), [2])
    assert again.pending == frozenset()
    assert again.cursor.known == first.cursor.known

"""The demo's time is fixed once: by the first run, in one step, and it can't be moved afterwards."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from demo.calendar import Calendar
from demo.errors import BadArgumentError
from demo.state import fix_calendar, only_producer, read_calendar

NOW = datetime(2026, 11, 23, 8, 5, 7, 999, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def state(tmp_path):
    return tmp_path / ".lake" / "demo.json"


def test_the_first_run_fixes_time_and_shift(state):
    """A later run at another time gets the first run's calendar."""
    first = fix_calendar(state, now=NOW)

    assert first == Calendar(now=NOW.replace(microsecond=0), weeks=465)
    assert fix_calendar(state, now=LATER) == first == read_calendar(state)
    assert list(state.parent.iterdir()) == [state]


def test_as_of_makes_it_midnight_of_that_day(state):
    """`--as-of` counts from 00:00 UTC."""
    assert fix_calendar(state, now=NOW, as_of=date(2026, 11, 1)).now == datetime(2026, 11, 1, tzinfo=UTC)


def test_as_of_can_be_repeated_but_not_changed(state):
    """The same command may run twice; another day needs another demo."""
    first = fix_calendar(state, now=NOW, as_of=date(2026, 11, 1))

    assert fix_calendar(state, now=LATER, as_of=date(2026, 11, 1)) == first
    with pytest.raises(BadArgumentError, match="fixed at 2026-11-01T00:00:00Z since its first run"):
        fix_calendar(state, now=LATER, as_of=date(2026, 11, 2))


def test_as_of_in_the_future_is_refused_and_fixes_nothing(state):
    """Events of tomorrow can't have been produced."""
    with pytest.raises(BadArgumentError, match="in the future"):
        fix_calendar(state, now=NOW, as_of=date(2026, 11, 24))
    assert not state.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"now": "2026-11-23T08:05:07", "shift_weeks": 465}', "damaged"),
        ('{"now": "2026-11-23T08:05:07Z", "shift_weeks": 464}', "was edited"),
    ],
)
def test_a_damaged_or_edited_state_is_named(state, text, said):
    """What was produced depends on the file, so nothing is guessed."""
    state.parent.mkdir()
    state.write_text(text)

    with pytest.raises(BadArgumentError, match=said):
        fix_calendar(state, now=NOW)
    assert state.read_text() == text


def test_without_a_first_run_there_is_no_time(state):
    """`live` has nothing to continue."""
    with pytest.raises(BadArgumentError, match="no demo has run here yet"):
        read_calendar(state)


def test_the_slower_of_two_first_runs_takes_the_faster_ones_time(state, monkeypatch):
    """A file that appears between look and write wins."""
    real, looks = type(state).exists, iter([False])
    fix_calendar(state, now=NOW)
    monkeypatch.setattr(
        type(state), "exists", lambda path: next(looks, None) if path == state else real(path)
    )

    assert fix_calendar(state, now=LATER).now == NOW.replace(microsecond=0)
    assert json.loads(state.read_text())["now"] == "2026-11-23T08:05:07Z"


def test_only_one_producer_at_a_time(state):
    """A second one is refused while the first holds the lock, and may begin after it."""
    with only_producer(state), pytest.raises(BadArgumentError, match="is producing"), only_producer(state):
        pytest.fail("two producers ran at once")
    with only_producer(state):
        pass

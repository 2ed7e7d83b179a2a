"""When care begins: after every so many commits, beside who lands, and never in their way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from ingest import care
from ingest.care import TableCare
from lake.catalog import Ancestor, TableState
from lake.clock import SystemClock
from lake.errors import UnavailableError
from lake.maintenance.care import Care, CarePolicy
from lake.maintenance.compact import Compacted
from lake.types import SnapshotId, TableName

ANY: Any = None


def table(name: str, sequence: int, *, files: int = 0) -> TableState:
    """Return a table as the commit with that sequence number leaves it, with so many files."""
    now = SystemClock().now()
    return TableState(
        name=TableName(schema="raw", name=name),
        uuid="",
        properties={},
        ancestry=(Ancestor(id=SnapshotId(sequence), sequence=sequence, committed_at=now),),
        truncated=True,
        summary={"total-data-files": str(files)},
        handle=ANY,
    )


class Nurse:
    """Takes care of nothing and remembers when it was asked; it waits where a test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.quiet: list[timedelta] = []
        self.goes_on = Event()
        self.goes_on.set()
        self.breaks = False

    def care(
        self, _catalog: Any, name: TableName, *, policy: CarePolicy, sweeps: bool, **_given: Any
    ) -> Care:
        self.asked.append((str(name), sweeps))
        self.quiet.append(policy.compact.quiet)
        assert self.goes_on.wait(30)
        if self.breaks:
            raise UnavailableError("catalog", "gone")
        return Care(table=str(name), compacted=Compacted(), expired=0, swept=None)


@contextmanager
def process(nurse: Nurse) -> Iterator[TableCare]:
    """Yield the care of one process; leaving it waits for what is under way."""
    made = TableCare(ANY, SystemClock(), care=nurse.care)
    yield made
    made.close()


@pytest.fixture
def nurse() -> Nurse:
    return Nurse()


def test_every_hundredth_commit_of_a_table_is_cared_for_and_every_thousandth_swept(nurse: Nurse) -> None:
    """Commits of others count too: a sequence that jumps over a hundred is past it."""
    with process(nurse) as keeper:
        for sequence in (97, 98, 101, 102, 198, 199, 200, 201):
            keeper.after_commit(table("orders", sequence))
            keeper.after_commit(table("refunds", sequence - 90))
            wait_until_idle(keeper)
        keeper.after_commit(table("orders", 1000))

    assert nurse.asked == [
        ("raw.orders", False),
        ("raw.refunds", False),
        ("raw.orders", False),
        ("raw.orders", True),
    ]


def test_processes_that_commit_once_each_care_at_the_hundredth_commit(nurse: Nurse) -> None:
    """An extract every hour ends after one commit: its table is looked after like any other."""
    for sequence in range(1, 202):
        with process(nurse) as keeper:
            keeper.after_commit(table("orders", sequence))

    assert nurse.asked == [("raw.orders", False)] * 2


def test_a_table_that_nobody_has_committed_to_needs_no_care(nurse: Nurse) -> None:
    """The quarantine of a stream without a bad record."""
    with process(nurse) as keeper:
        keeper.after_commit(replace(table("orders", 0), ancestry=()))

    assert nurse.asked == []


def test_a_table_that_gets_many_files_is_cared_for_before_its_hundredth_commit(
    nurse: Nurse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And files of a minute ago count as quiet then; few files wait for the hundredth."""
    monkeypatch.setattr(care, "_MANY_FILES", 100)
    with process(nurse) as keeper:
        for number, files in ((1, 0), (2, 60), (3, 99)):
            keeper.after_commit(table("orders", number, files=files))
        assert nurse.asked == []
        keeper.after_commit(table("orders", 4, files=130))

    assert nurse.quiet == [timedelta(minutes=1)]


def test_a_table_waits_for_its_next_commit_while_another_is_cared_for(nurse: Nurse) -> None:
    """One at a time: landing shares its processors with it."""
    nurse.goes_on.clear()
    with process(nurse) as keeper:
        keeper.after_commit(table("orders", 100))
        keeper.after_commit(table("refunds", 300))
        assert nurse.asked[1:] == []
        nurse.goes_on.set()
        wait_until_idle(keeper)
        keeper.after_commit(table("refunds", 301))

    assert [name for name, _ in nurse.asked] == ["raw.orders", "raw.refunds"]


def test_care_that_fails_is_counted_and_tried_again_at_the_next_hundred(nurse: Nurse) -> None:
    """Who lands hears nothing of it."""
    nurse.breaks = True
    with process(nurse) as keeper:
        for sequence in (100, 101, 200):
            keeper.after_commit(table("orders", sequence))
            wait_until_idle(keeper)

    assert keeper.failed == len(nurse.asked) == 2


def wait_until_idle(keeper: TableCare) -> None:
    """Wait for the care that is under way, if there is one."""
    under_way = keeper._under_way
    if under_way is not None:
        under_way.exception(30)

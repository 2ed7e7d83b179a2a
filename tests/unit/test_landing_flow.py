"""Back-pressure and the open batch: what commits, what waits, and what is never taken twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import RecordCheck
from ingest.flow import Load, plan_flow
from ingest.intake import DecodePool, Intake
from ingest.schemas import ContractSchemas, SchemaDesk
from lake.broker import Chunk, Shard
from lake.clock import Clock, SystemClock
from lake.settings import LandingSettings, RegistrySettings
from lake.types import Offset, Partition
from tests.fakes.topic_world import transactions

LOADS = st.builds(
    Load,
    open=st.integers(0, 100),
    in_flight=st.integers(0, 100),
    is_due=st.booleans(),
    is_committing=st.booleans(),
)


@given(st.lists(LOADS, max_size=8), st.integers(1, 500), st.booleans())
def test_no_stream_reads_on_without_room_and_none_commits_twice_at_once(
    loads: list[Load],
    limit: int,
    was_tight: bool,  # noqa: FBT001
) -> None:
    """The two things that a plan must never do, and the two that it must."""
    flow = plan_flow(loads, limit=limit, was_tight=was_tight)
    held = sum(load.open + load.in_flight for load in loads)
    assert all(not loads[n].is_committing for n in flow.commit)
    assert {n for n, load in enumerate(loads) if load.is_due and not load.is_committing} <= set(flow.commit)
    assert {n for n, load in enumerate(loads) if load.is_due and load.is_committing} <= flow.hold
    if held > limit:
        assert flow.hold == frozenset(range(len(loads)))
        waiting = any(load.is_committing for load in loads)
        assert flow.commit or waiting or not any(load.open for load in loads)
    if held <= limit * 0.75:
        assert not flow.tight


def chunk(first: int, count: int, *, partition: int = 0) -> Chunk:
    return Chunk(
        shard=Shard("t", Partition(partition)),
        offsets=[Offset(n) for n in range(first, first + count)],
        keys=[None] * count,
        values=[b"{}"] * count,
        produced=[0] * count,
    )


class HandClock(SystemClock):
    """Goes on when it is told to."""

    now_at = 1_000.0

    def monotonic(self) -> float:
        return self.now_at


def intake(pool: DecodePool, clock: Clock | None = None) -> Intake:
    desk = SchemaDesk(RegistrySettings(), SystemClock(), lambda: ContractSchemas({}))
    return Intake(RecordCheck(transactions(), desk), pool, LandingSettings(), clock or SystemClock())


def test_records_that_were_taken_are_not_taken_again() -> None:
    """Another lane of the topic had its shard read again: this one has those records."""
    pool = DecodePool()
    own = intake(pool)
    own.begin(Partition(0), Offset(5), frozenset())
    own.add(chunk(0, 8))
    own.add(chunk(2, 4))
    own.add(chunk(6, 4))
    assert own.records == 5
    batch = own.seal()
    pool.close()
    assert batch is not None
    assert (batch.ranges[Partition(0)].expected, batch.ranges[Partition(0)].next) == (5, 10)
    assert [bad.offset for part in batch.parts[Partition(0)] for bad in part.result().bad] == [5, 6, 7, 8, 9]


def test_a_partition_that_was_taken_away_leaves_nothing_in_the_batch() -> None:
    """What somebody else reads now must not be committed from here."""
    pool = DecodePool()
    own = intake(pool)
    own.begin(Partition(0), None, frozenset())
    own.begin(Partition(1), None, frozenset())
    own.add(chunk(0, 3))
    own.add(chunk(0, 2, partition=1))
    own.end(Partition(0))
    own.add(chunk(3, 3))
    batch = own.seal()
    pool.close()
    assert batch is not None
    assert set(batch.ranges) == set(batch.parts) == {Partition(1)}
    assert (batch.records, own.bytes, own.seal()) == (2, 0, None)


def test_a_batch_waits_longer_after_a_commit_of_many_files_and_no_longer_after_one_of_few() -> None:
    """A thousand files a minute: after 250 of them fifteen seconds, after four the usual five."""
    pool, clock = DecodePool(), HandClock()
    own = intake(pool, clock)
    own.begin(Partition(0), None, frozenset())
    own.add(chunk(0, 3))
    own.pace(250)
    clock.now_at += 14.9
    assert not own.is_full()
    clock.now_at += 0.2
    assert own.is_full()
    own.seal()
    own.pace(4)
    own.add(chunk(3, 3))
    clock.now_at += 5.1
    assert own.is_full()
    pool.close()

"""`--follow`: members of a group share the partitions, and a rebalance loses and doubles nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from ingest.deploy.plan import Kind
from ingest.landing import run_streams
from ingest.report import Progress, StreamReport
from ingest.status import read_status
from lake.control import migrate
from lake.settings import Settings
from tests.fakes.deployed import WIDER, deploy, version
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = pytest.mark.stack

_PATIENCE_SECONDS = 60.0


class Members:
    """Followers of one stream, each in a thread of its own."""

    def __init__(self, world: TopicWorld) -> None:
        quick = world.settings.landing.model_copy(update={"commit_seconds": 0.3})
        self._settings = world.settings.model_copy(update={"landing": quick})
        self._world = world
        self._pool = ThreadPoolExecutor(3)
        self.runs: list[tuple[Event, Future[tuple[StreamReport, ...]]]] = []
        self.taken: list[int] = []

    def join(self) -> None:
        stop, number = Event(), len(self.runs)
        self.taken.append(0)

        def observe(progress: Progress) -> None:
            self.taken[number] = progress.landed + progress.quarantined

        run = self._pool.submit(
            run_streams, self._settings, [self._world.contract], follow=True, stop=stop, observer=observe
        )
        self.runs.append((stop, run))

    def stop(self, number: int) -> tuple[StreamReport, ...]:
        stop, run = self.runs[number]
        stop.set()
        return run.result(_PATIENCE_SECONDS)

    def end(self) -> None:
        for stop, _ in self.runs:
            stop.set()
        self._pool.shutdown(wait=True)


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    return TopicWorld(lake_settings)


@pytest.fixture
def members(world: TopicWorld) -> Iterator[Members]:
    group = Members(world)
    yield group
    group.end()


def wait_for(condition: Callable[[], bool], members: Members) -> None:
    """Poll until it holds; a test's bound, not its logic. A member that failed fails the test."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        for _, run in members.runs:
            if run.done():
                run.result()
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.2)


def lag(world: TopicWorld) -> int:
    (status,) = read_status(world.settings, [world.contract])
    return status.lag if status.last_commit else world.produced


def test_a_member_that_joins_and_one_that_leaves_lose_and_double_nothing(
    world: TopicWorld, members: Members
) -> None:
    """Partitions move twice while records keep coming."""
    members.join()
    world.produce(500)
    wait_for(lambda: lag(world) == 0, members)
    members.join()
    # The first one must not leave before the second has its share: a member that leaves while others
    # join makes Tansu wait for it until its poll interval is over.
    wait_for(lambda: shared(world, members), members)
    first = members.stop(0)
    world.produce(500)
    wait_for(lambda: lag(world) == 0, members)
    second = members.stop(1)
    assert sum(landed(first)) + sum(landed(second)) == world.produced
    world.check()


def shared(world: TopicWorld, members: Members) -> bool:
    """Send some more records and tell whether the second member has landed any."""
    world.produce(30)
    return members.taken[1] > 0


def test_a_contract_that_is_deployed_while_landing_runs_is_followed_and_nothing_is_lost(
    world: TopicWorld, members: Members
) -> None:
    """The running process drops the batch of the old version, reads it again and lands it by the new one."""
    migrate(world.settings.postgres)
    members.join()
    world.produce(300)
    wait_for(lambda: lag(world) == 0, members)
    assert deploy(world.settings, version(world.contract, *WIDER)) is Kind.CHANGE
    world.produce(300)
    wait_for(lambda: lag(world) == 0, members)
    reports = members.stop(0)
    assert sum(landed(reports)) == world.produced
    raw, refused = world.raw(), world.quarantined()
    places = [(r["meta"]["partition"], r["meta"]["offset"]) for r in raw]
    places += [(r["partition"], r["offset"]) for r in refused]
    assert len(places) == len(set(places)) == world.produced
    by_version = Counter(row["meta"]["schema_version"] for row in raw)
    assert set(by_version) == {"1.0.0", "1.1.0"}
    assert all("till" in row for row in raw)

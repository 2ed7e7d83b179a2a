"""Records and clocks out of the ordinary: what is odd lands once or is quarantined whole."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

from ingest.landing import run_streams
from lake.catalog import load_table, open_catalog
from lake.clock import SystemClock
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.commands import LAKE
from tests.fakes.topic_world import PARTITIONS, TopicWorld, landed, record

pytestmark = pytest.mark.stack

MIB = 1024 * 1024


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    return TopicWorld(lake_settings)


def test_a_record_of_megabytes_goes_to_quarantine_whole(world: TopicWorld) -> None:
    """It stops nothing, and its bytes are all there."""
    large = b'{"household_id":"' + b"x" * (3 * MIB)
    producer = Producer(
        {"bootstrap.servers": world.settings.broker.bootstrap_servers, "message.max.bytes": 8 * MIB}
    )
    producer.produce(world.topic, large, partition=0)
    assert producer.flush(60) == 0
    world.poison_every = 10**9
    world.produce(20)

    assert landed(run_streams(world.settings, [world.contract])) == (20, 1)
    assert world.quarantined()[0]["value"] == large


def test_a_batch_of_nothing_but_poison_moves_the_position(world: TopicWorld) -> None:
    """Zero good rows still make a landing commit: nothing is read again and again."""
    world.poison_every = 1
    world.produce(60)

    assert landed(run_streams(world.settings, [world.contract])) == (0, 60)
    assert run_streams(world.settings, [world.contract])[0].was_idle
    world.check()


@pytest.mark.parametrize("wrong", [timedelta(days=-1), timedelta(days=1)])
def test_a_clock_that_is_wrong_and_jumps_changes_only_what_it_says(
    world: TopicWorld, wrong: timedelta
) -> None:
    """Correctness asks no wall clock: a day off and stepping back at every look, each record lands once."""

    class Wrong(SystemClock):
        looks = 0

        def now(self) -> datetime:
            self.looks += 1
            return super().now() + wrong - timedelta(minutes=self.looks)

    for _ in range(2):
        world.produce(200)
        run_streams(world.settings, [world.contract], clock=Wrong())
    world.check()


def test_hours_that_a_clock_shows_twice_or_never_are_instants_like_others(world: TopicWorld) -> None:
    """Around both changes of New York's clocks: what the offset says counts, no local time does."""
    shown = {
        "2025-03-09T01:59:59-05:00": datetime(2025, 3, 9, 6, 59, 59, tzinfo=UTC),
        "2025-03-09T03:00:00-04:00": datetime(2025, 3, 9, 7, tzinfo=UTC),
        "2025-11-02T01:30:00-04:00": datetime(2025, 11, 2, 5, 30, tzinfo=UTC),
        "2025-11-02T01:30:00-05:00": datetime(2025, 11, 2, 6, 30, tzinfo=UTC),
    }
    draw = random.Random(1)
    for number, (text, moment) in enumerate(shown.items()):
        value = record(number, moment, draw)
        send(world, value.replace(f"{moment:%Y-%m-%dT%H:%M:%SZ}".encode(), text.encode()))

    assert landed(run_streams(world.settings, [world.contract])) == (4, 0)
    rows = sorted(world.raw(), key=lambda row: row["meta"]["offset"])
    assert [row["transaction_timestamp"] for row in rows] == list(shown.values())


def test_late_and_future_records_land_in_the_months_in_which_they_happened(world: TopicWorld) -> None:
    """Years behind, years ahead, and now, in one batch: no file holds a row of another month than it says."""
    now, draw = datetime.now(UTC).replace(microsecond=0), random.Random(2)
    for number in range(60):
        moment = now + timedelta(days=draw.choice([0, 0, 0, -1, -40, -400, 3, 900]), minutes=-number)
        send(world, record(number, moment, draw))
    world.poison_every = 10**9

    assert landed(run_streams(world.settings, [world.contract])) == (60, 0)
    world.check()
    raw = TableName(schema=world.settings.landing.raw_schema, name=world.contract.stream)
    state = load_table(open_catalog(world.settings), raw)
    assert state is not None
    tasks = list(state.handle.scan().plan_files())
    for task in tasks:
        with state.handle.io.new_input(task.file.file_path).open() as file:
            times = pq.read_table(file, columns=["transaction_timestamp"]).column(0).to_pylist()
        assert {(at.year - 1970) * 12 + at.month - 1 for at in times} == {task.file.partition[0]}
    months = {(r["transaction_timestamp"].year, r["transaction_timestamp"].month) for r in world.raw()}
    assert len(months) >= 4
    assert len(tasks) <= len(months) * PARTITIONS


def send(world: TopicWorld, value: bytes) -> None:
    """Produce one record of a test's own."""
    producer = Producer({"bootstrap.servers": world.settings.broker.bootstrap_servers})
    producer.produce(world.topic, value, partition=world.produced % PARTITIONS)
    assert producer.flush(30) == 0
    world.produced += 1


@contextmanager
def follower(world: TopicWorld, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Follow the stream in a process of its own, in another time zone; yield it once it has its shards."""
    command = [LAKE, "ingest", "run", "--follow", world.contract.stream]
    told = {
        "LAKE_LOG_LEVEL": "INFO",
        "LAKE_LANDING__COMMIT_SECONDS": "0.5",
        "LAKE_LANDING__COMMIT_ROWS": "100",
        "TZ": "America/New_York",
    }
    with subprocess.Popen(
        command,
        cwd=world.settings.project_root,
        env=environment | told,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "shards.assigned" in line:
                break
        else:
            pytest.fail("".join(seen))
        try:
            yield process
        finally:
            process.kill()


def test_a_follower_that_is_asked_to_end_commits_first(
    world: TopicWorld, lake_environment: dict[str, str]
) -> None:
    """SIGTERM lets the open batch land and ends with 0; the next run finds nothing left."""
    world.produce(300)
    with follower(world, lake_environment) as process:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said

    run_streams(world.settings, [world.contract])
    world.check()


def test_a_follower_that_is_told_twice_ends_at_once_and_loses_nothing(
    world: TopicWorld, lake_environment: dict[str, str]
) -> None:
    """Whatever the second SIGTERM cut off, the next run lands it."""
    world.produce(3000)
    with follower(world, lake_environment) as process:
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
    assert process.returncode in {0, -signal.SIGTERM}

    run_streams(world.settings, [world.contract])
    world.check()

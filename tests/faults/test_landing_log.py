"""Records and clocks out of the ordinary: what is odd lands once or is quarantined whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from ingest.landing import run_streams
from lake.clock import SystemClock
from lake.settings import Settings
from tests.fakes.topic_world import TopicWorld, landed

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


def test_a_follower_that_is_asked_to_end_commits_first(
    world: TopicWorld, lake_environment: dict[str, str]
) -> None:
    """SIGTERM lets the open batch land and ends with 0; the next run finds nothing left."""
    world.produce(300)
    command = [str(Path(sys.executable).parent / "lake"), "ingest", "run", "--follow", world.contract.stream]
    with subprocess.Popen(
        command,
        cwd=world.settings.project_root,
        env={**lake_environment, "LAKE_LOG_LEVEL": "INFO", "LAKE_LANDING__COMMIT_SECONDS": "0.5"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if len(world.raw()) > 0:
                break
            if "shards.assigned" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, "".join(seen) + said

    run_streams(world.settings, [world.contract])
    world.check()

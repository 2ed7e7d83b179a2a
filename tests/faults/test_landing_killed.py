"""kill -9 of the real command at random moments: produced = landed + quarantined, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.landing import run_streams
from lake.settings import Settings
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

KILLS = 20
SEED = 20_261_123
ROWS_A_ROUND = 1500
LONGEST_SECONDS = 2.0  # of landing: a round of so many rows takes about as long


def test_kill_9_at_twenty_random_moments_loses_and_doubles_nothing(
    lake_settings: Settings, lake_environment: dict[str, str], tmp_path: Path
) -> None:
    """Each round adds records, starts `lake ingest run` and kills it somewhere in its landing."""
    print("seed", SEED)  # noqa: T201
    draw = random.Random(SEED)
    world = TopicWorld(lake_settings, seed=SEED, poison_every=50)
    environment = lake_environment | {"LAKE_LANDING__COMMIT_ROWS": "200", "LAKE_LOG_LEVEL": "INFO"}
    command = [str(Path(sys.executable).parent / "lake"), "ingest", "run", world.contract.stream]
    killed = finished = 0
    for _ in range(KILLS):
        world.produce(ROWS_A_ROUND)
        with (
            (tmp_path / "out").open("w") as output,
            subprocess.Popen(
                command,
                cwd=lake_settings.project_root,
                env=environment,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            assert process.stderr is not None
            lines = []
            for line in process.stderr:  # until it begins to read
                lines.append(line)
                if "landing.started" in line:
                    break
            else:
                pytest.fail(f"never started: {lines}")
            try:
                process.wait(draw.uniform(0, LONGEST_SECONDS))
                finished += 1
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            process.stderr.close()
    before = len(world.raw()) + len(world.quarantined())
    print(f"killed {killed}, ended before {finished}, landed by them {before} of {world.produced}")  # noqa: T201
    assert killed >= KILLS / 2
    assert before > 0
    run_streams(lake_settings, [world.contract])
    assert landed(run_streams(lake_settings, [world.contract])) == (0, 0)
    world.check()

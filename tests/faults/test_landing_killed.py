"""The real command killed, frozen and cut off at random moments: every record once, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from ingest.landing import run_streams
from lake.settings import Settings
from tests.fakes.commands import LAKE
from tests.fakes.flaky_proxy import Whims, flaky_proxy
from tests.fakes.soak import report
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = pytest.mark.stack

SEED = 20_261_123
ROWS_A_ROUND = 1500
LONGEST_SECONDS = 2.0  # of landing: a round of so many rows takes about as long
PATIENCE = 180.0


@dataclass(slots=True, kw_only=True)
class Siege:
    """A topic that grows, and `lake ingest run` started over and over and never left in peace."""

    world: TopicWorld
    environment: Mapping[str, str]
    draw: random.Random
    ended: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def landing(self) -> Iterator[subprocess.Popen[str]]:
        """Yield the command once it has begun to read; it is ended with the block at the latest."""
        self.world.produce(ROWS_A_ROUND)
        command = [LAKE, "ingest", "run", self.world.contract.stream]
        with subprocess.Popen(
            command,
            cwd=self.world.settings.project_root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "landing.started" in line:
                    break
            else:
                self.ended["never began"] += 1
            process.stderr.close()
            try:
                yield process
            finally:
                process.kill()

    def kill(self) -> None:
        """Kill it with -9 in the middle."""
        with self.landing() as process:
            if self._is_over(process):
                return
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            self.ended["killed"] += 1

    def freeze(self) -> None:
        """Make it a zombie: stopped in the middle, another lands everything, then it wakes and goes on."""
        with self.landing() as process:
            if self._is_over(process):
                return
            os.kill(process.pid, signal.SIGSTOP)
            run_streams(self.world.settings, [self.world.contract])
            os.kill(process.pid, signal.SIGCONT)
            process.wait(PATIENCE)
            self.ended["frozen"] += 1

    def _is_over(self, process: subprocess.Popen[str]) -> bool:
        try:
            process.wait(self.draw.uniform(0, LONGEST_SECONDS))
        except subprocess.TimeoutExpired:
            return False
        self.ended["ended before" if process.returncode == 0 else "gave up"] += 1
        return True

    def lift(self) -> None:
        """Land the rest in peace, and hold everything against the log."""
        print("landed under siege", len(self.world.raw()), "of", self.world.produced, dict(self.ended))  # noqa: T201
        run_streams(self.world.settings, [self.world.contract])
        assert landed(run_streams(self.world.settings, [self.world.contract])) == (0, 0)
        self.world.check()
        counts = {how.replace(" ", "_"): count for how, count in sorted(self.ended.items())}
        report("landing under siege", SEED, records=self.world.produced, **counts)


def besiege(settings: Settings, environment: Mapping[str, str]) -> Siege:
    print("seed", SEED)  # noqa: T201
    return Siege(
        world=TopicWorld(settings, seed=SEED, poison_every=50),
        environment={**environment, "LAKE_LANDING__COMMIT_ROWS": "200", "LAKE_LOG_LEVEL": "INFO"},
        draw=random.Random(SEED),
    )


@pytest.mark.timeout(600)
def test_kill_9_at_random_moments_loses_and_doubles_nothing(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """Five kills and a zombie; the soak has many more."""
    siege = besiege(lake_settings, lake_environment)
    for _ in range(5):
        siege.kill()
    siege.freeze()
    assert siege.ended["killed"] >= 2
    siege.lift()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_sixty_kills_and_zombies_behind_flaky_lines_lose_and_double_nothing(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """The lines to catalog and storage lose, delay, double and reorder besides."""
    whims = Whims(random.Random(SEED), share=0.05)
    with ExitStack() as lines:
        proxied = {
            "LAKE_CATALOG__URI": lines.enter_context(flaky_proxy(lake_settings.catalog.uri, whims)),
            "LAKE_STORAGE__ENDPOINT": lines.enter_context(flaky_proxy(lake_settings.storage.endpoint, whims)),
        }
        siege = besiege(lake_settings, {**lake_environment, **proxied})
        for number in range(80):
            (siege.freeze if number % 4 == 3 else siege.kill)()
    assert siege.ended["killed"] + siege.ended["frozen"] >= 50
    assert sum(whims.done.values()) >= 100
    siege.lift()
    report("lines under siege", SEED, **{f"answers_{w.name.lower()}": n for w, n in whims.done.items()})

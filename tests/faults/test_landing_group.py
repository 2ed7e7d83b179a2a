"""A group that never rests: members join, leave, die and freeze until their partitions are taken away."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from ingest.landing import run_streams
from lake.settings import Settings
from tests.fakes.commands import LAKE
from tests.fakes.soak import report
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = pytest.mark.stack

SEED = 20_261_127
MOST_MEMBERS = 3
ROUNDS = 25
LONGEST_PAUSE_SECONDS = 10.0  # a member takes a few to start
PATIENCE_SECONDS = 600.0
LOST_AFTER_SECONDS = 12.0  # longer than a member that says nothing keeps its partitions


@dataclass(slots=True, kw_only=True)
class Group:
    """Followers of one stream as processes."""

    world: TopicWorld
    environment: Mapping[str, str]
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)
    frozen: dict[int, float] = field(default_factory=dict)
    acts: Counter[str] = field(default_factory=Counter)

    def join(self) -> None:
        command = [LAKE, "ingest", "run", "--follow"]
        self.members.append(
            subprocess.Popen(
                [*command, self.world.contract.stream],
                cwd=self.world.settings.project_root,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def leave(self, member: subprocess.Popen[bytes]) -> None:
        member.send_signal(signal.SIGTERM)
        self._forget(member)

    def die(self, member: subprocess.Popen[bytes]) -> None:
        member.kill()
        self._forget(member)

    def freeze(self, member: subprocess.Popen[bytes]) -> None:
        member.send_signal(signal.SIGSTOP)
        self.frozen[member.pid] = time.monotonic()

    def thaw(self, *, after: float) -> None:
        """Wake those that slept for so long: to them nothing has happened."""
        for member in self.members:
            if member.pid in self.frozen and time.monotonic() - self.frozen[member.pid] >= after:
                member.send_signal(signal.SIGCONT)
                del self.frozen[member.pid]
                self.acts["thawed"] += 1

    def act(self, draw: random.Random) -> None:
        """Do one thing that is possible now."""
        awake = [m for m in self.members if m.pid not in self.frozen and m.poll() is None]
        self.members = [m for m in self.members if m.poll() is None]
        if len(self.members) < MOST_MEMBERS and (not awake or draw.random() < 0.5):
            self.join()
            self.acts["joined"] += 1
        elif awake:
            name = draw.choice(["leave", "die", "freeze", "freeze"])
            getattr(self, name)(draw.choice(awake))
            self.acts[{"leave": "left", "die": "killed", "freeze": "frozen"}[name]] += 1

    def _forget(self, member: subprocess.Popen[bytes]) -> None:
        member.wait(180)
        self.members.remove(member)

    def settle(self) -> int:
        """Leave it in peace until somebody has landed something, and return how much."""
        self.thaw(after=0)
        ends = time.monotonic() + PATIENCE_SECONDS
        while not (landed_by_it := len(self.world.raw())):
            if not any(member.poll() is None for member in self.members):
                self.join()
            assert time.monotonic() < ends, "a group in peace landed nothing"
            time.sleep(1)
        return landed_by_it

    def end(self) -> None:
        self.thaw(after=0)
        for member in list(self.members):
            self.leave(member)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_members_that_join_leave_die_and_freeze_lose_and_double_nothing(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """Frozen ones wake when others have landed on; whoever commits, each record is there once."""
    print("seed", SEED)  # noqa: T201
    draw, world = random.Random(SEED), TopicWorld(lake_settings, seed=SEED, poison_every=50)
    group = Group(world=world, environment={**lake_environment, "LAKE_LANDING__COMMIT_SECONDS": "0.3"})
    try:
        for _ in range(ROUNDS):
            world.produce(150)
            group.act(draw)
            group.thaw(after=LOST_AFTER_SECONDS)
            time.sleep(draw.uniform(0, LONGEST_PAUSE_SECONDS))  # the moments are the input of this test
        followed = group.settle()
        group.end()
    finally:
        for member in group.members:
            member.kill()
    run_streams(world.settings, [world.contract])
    assert landed(run_streams(world.settings, [world.contract])) == (0, 0)
    world.check()
    report("a group that never rests", SEED, records=world.produced, landed_by_it=followed, **group.acts)

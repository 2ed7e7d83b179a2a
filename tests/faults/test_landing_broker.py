"""The ground under landing gives way: the broker dies and comes back, the disk is full. Nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ingest.landing import run_streams
from lake.broker import reader
from lake.control import migrate
from lake.errors import LakeError, OutcomeUnknownError, TransientError
from lake.settings import Project, load_settings
from lake.stack import bring_up, start, stop
from lake.stack.state import read_state
from tests.conftest import make_project
from tests.fakes.tiny_disk import tiny_disk
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("landing_broker")]

_PATIENCE_SECONDS = 90.0
_MEGABYTE = 1024 * 1024


def world_of(project: Project, **landing: Any) -> TopicWorld:
    """Start a project's stack and make its topic."""
    start(project)
    settings = load_settings(project=project)
    migrate(settings.postgres)
    return TopicWorld(
        settings.model_copy(update={"landing": settings.landing.model_copy(update=landing)}), poison_every=50
    )


def until(fact: Callable[[], bool], run: Future[Any]) -> None:
    """Poll until it holds; a run that ended early fails the test."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not fact():
        if run.done():
            run.result()
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_follower_outlives_a_broker_that_is_killed_and_started_again(
    own_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads on where it was; that nobody wrote after the broker came back is no silence of the broker."""
    world, ended = world_of(own_project, commit_seconds=0.3), Event()
    monkeypatch.setattr(reader, "_SILENCE_SECONDS", 0.5)
    asked: list[bool] = []
    ask = reader.LogReader._answers

    def answers(self: reader.LogReader) -> bool:
        asked.append(ask(self))
        return asked[-1]

    monkeypatch.setattr(reader.LogReader, "_answers", answers)

    def has_landed() -> bool:
        return len(world.raw()) + len(world.quarantined()) == world.produced

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(run_streams, world.settings, [world.contract], follow=True, stop=ended)
        try:
            world.produce(400)
            until(has_landed, run)
            kill_broker(own_project)
            start(own_project)
            until(lambda: any(asked), run)
            world.produce(400)
            until(lambda: len(world.raw()) > 400, run)
            kill_broker(own_project)
            start(own_project)
            world.produce(400)
            until(has_landed, run)
        finally:
            ended.set()
    assert sum(landed(run.result())) == world.produced
    world.check()


def kill_broker(project: Project) -> None:
    state = read_state(project)
    assert state is not None
    os.kill(state.children["tansu"].pid, signal.SIGKILL)


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give a project on a file system of 400 MB."""
    monkeypatch.setattr(bring_up, "MIN_FREE_BYTES", 0)
    with tiny_disk("400m") as folder:
        project = make_project(folder)
        try:
            yield project
        finally:
            stop(project)


@pytest.mark.slow
def test_a_disk_that_is_full_stops_landing_and_with_space_it_completes(small_disk: Project) -> None:
    """Landing spools nothing of its own: storage refuses, and that is said before anything advances."""
    world = world_of(small_disk, deadline_seconds=5.0)
    world.produce(300)
    run_streams(world.settings, [world.contract])
    world.produce(300)
    ballast = small_disk.root / "ballast"
    fill(ballast)

    with pytest.raises(LakeError) as caught:
        run_streams(world.settings, [world.contract])

    assert isinstance(caught.value, TransientError | OutcomeUnknownError)
    assert len(world.raw()) + len(world.quarantined()) <= 600
    ballast.unlink()
    run_streams(world.settings, [world.contract])
    world.check()


def fill(ballast: Path) -> None:
    """Write until the file system takes no more."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * _MEGABYTE):
                pass
        except OSError:
            return

"""A whole lake in a project of its own: the demo's systems with a few households."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from app.demo.systems import SourceSystems
from demo.clock import SystemClock
from demo.replay import replay
from demo.sequence import Sequence
from demo.state import fix_calendar
from demo.streams import KEY, STREAMS
from demo.topic import Topic
from lake.control import migrate
from lake.settings import Project, Settings, inherited_environment, load_settings
from lake.stack import start
from tests.fakes.commands import BIN, run_command

ROOT = Path(__file__).parents[2]
ONE_HOUSEHOLD_IN = 60


@dataclass(slots=True, kw_only=True)
class SmallLake:
    """A project with a running stack, the retail API, the CRM, and topics of every sixtieth household."""

    project: Project
    produced: dict[str, int] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return load_settings(project=self.project)

    def prepare(self) -> None:
        """Start everything and produce; nothing is landed yet."""
        (self.project.root / "demo").symlink_to(ROOT / "demo")
        for name in ("models", "external_models"):  # commands of the docs write to them
            (self.project.root / name).unlink()
            shutil.copytree(ROOT / name, self.project.root / name)
        start(self.project)
        migrate(self.settings.postgres)
        systems = SourceSystems(project=self.project)
        clock = SystemClock()
        calendar = fix_calendar(systems.state, now=clock.now())
        systems.start_apis()
        for stream in STREAMS:
            rows = stream.load()
            rows = rows.filter(pl.col(KEY) % ONE_HOUSEHOLD_IN == 0)
            topic = Topic(
                {"bootstrap.servers": self.settings.broker.bootstrap_servers},
                stream.name,
                partitions=stream.partitions,
            )
            report = replay(Sequence(stream, calendar, rows=rows), topic, calendar, clock=clock)
            self.produced[stream.name] = report.produced_total

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the project as a person who answers y; return its stdout."""
        done = run_command(
            *command,
            folder=self.project.root,
            environment=inherited_environment(PATH=f"{BIN}:/usr/bin:/bin"),
            answers="y\n" * 20,
        )
        assert done.returncode == code, (
            f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout

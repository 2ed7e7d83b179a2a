"""What `lake demo run` does, step by step; each step can be repeated and says when it had nothing to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from app.demo.child import Child, run_child
from app.demo.proof import StepTime
from app.demo.systems import SourceSystems
from ingest.extract.run import run_sources
from ingest.landing import run_streams
from lake.activation import apply_sync, find_sync, open_destination, open_mart
from lake.clock import SystemClock
from lake.contracts import StreamKind, load_contracts
from lake.control.activation import locked_store
from lake.settings import Project, Settings, inherited_environment
from lake.stack import ServiceState, inspect, stop, stop_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a step ended: `said` is for people, `result` for the proof."""

    said: str
    already_done: bool = False
    result: Any = None


@dataclass(slots=True, kw_only=True)
class DemoRun:
    """The state of one run: what was started, what each step took."""

    project: Project
    systems: SourceSystems
    as_of: date | None
    rate: float | None
    say: Callable[[str], None]
    working: Callable[[str], AbstractContextManager[object]] = nullcontext
    steps: list[StepTime] = field(default_factory=list)

    def step(self, name: str, work: Callable[[], Outcome]) -> Any:
        """Do one step, time it, say how it ended."""
        began = time.monotonic()
        with self.working(f"{name} …"):
            outcome = work()
        seconds = round(time.monotonic() - began, 1)
        said = f"already done ({outcome.said})" if outcome.already_done else outcome.said
        self.steps.append(
            StepTime(step=name, seconds=seconds, already_done=outcome.already_done, said=outcome.said)
        )
        self.say(f"{name:<9} {seconds:6.1f} s  {said}")
        return outcome.result


@contextmanager
def undone_when_interrupted(run: DemoRun) -> Iterator[None]:
    """Ctrl-C ends what this run started: the stack if it was down before, else only the demo's services."""
    before = {s.service for s in inspect(run.project) if s.state is ServiceState.READY}
    try:
        yield
    except KeyboardInterrupt:
        if not before:
            stop(run.project)
            raise
        for status in inspect(run.project):
            if status.service not in before and status.state is not ServiceState.STOPPED:
                stop_service(run.project, status.service)
        raise


def land(project: Project, settings: Settings) -> Outcome:
    """Read both topics to their end."""
    contracts = [c for c in load_contracts(project.contracts) if c.kind is StreamKind.TOPIC]
    reports = run_streams(settings, contracts)
    landed = sum(r.landed for r in reports)
    quarantined = sum(r.quarantined for r in reports)
    rows_per_second = landed / max(sum(r.seconds for r in reports), 0.001)
    return Outcome(
        said=f"{landed:,} rows landed, {quarantined:,} quarantined ({rows_per_second:,.0f} rows/s)",
        already_done=landed + quarantined == 0,
        result=reports,
    )


def extract(settings: Settings) -> Outcome:
    """Extract the five resources of the retail API."""
    reports = run_sources(settings)
    landed = sum(r.landed for r in reports)
    return Outcome(
        said=f"{landed:,} rows from {len(reports)} resources", already_done=landed == 0, result=reports
    )


def run_plan(project: Project, *options: str, now: str) -> None:
    """Run stock SQLMesh as a person would; `now` is the demo's: days after it have no sales yet."""
    sqlmesh = Path(sys.executable).with_name("sqlmesh")
    argv = [str(sqlmesh), "plan", "prod", "--no-prompts", "--auto-apply", "--execution-time", now, *options]
    child = Child(
        argv=argv, cwd=project.root, env=inherited_environment(), log=project.logs / "sqlmesh-plan.log"
    )
    run_child(child, doing="sqlmesh plan")


def activate(project: Project, settings: Settings) -> Outcome:
    """Plan and apply the sync of household tiers."""
    sync = find_sync(project, None)
    with (
        open_mart(settings) as mart,
        open_destination(sync, settings) as target,
        locked_store(settings.postgres, sync.name) as store,
    ):
        report = apply_sync(sync, mart=mart, target=target, store=store, clock=SystemClock())
    return Outcome(
        said=f"{report.accepted:,} contacts sent, {report.rejected:,} rejected",
        already_done=report.run_id is None,
        result=report,
    )

"""`lake demo run`: a retailer's year from nothing to proof.

1 stack: start the services. 2 systems: start the retail API and the CRM. 3 replay: produce what is due.
4 land: topics into tables. 5 extract: the API's resources into tables. 6 plan: build and audit the marts.
7 activate: send the tiers to the CRM. 8 console: start it. 9 proof: count everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

from app.console.service import NAME as CONSOLE
from app.console.service import start_console
from app.demo.count import count_activation, count_audits, count_extracts, count_streams
from app.demo.proof import Proof
from app.demo.steps import DemoRun, Outcome, activate, extract, land, run_plan, undone_when_interrupted
from app.demo.systems import SourceSystems
from lake.contracts import load_contracts
from lake.control import migrate, read_evaluations, recorded
from lake.mesh.session import open_session
from lake.settings import Project, Settings, load_settings
from lake.stack import ServiceState, inspect, start

_RETAIL = "retail"  # source of the extracts that the retail API serves


def run_demo(
    project: Project,
    *,
    as_of: date | None,
    rate: float | None,
    say: Callable[[str], None],
    working: Callable[[str], AbstractContextManager[object]],
) -> Proof:
    """Do every step, each only as far as it is not done yet, and return the proof.

    `say` hears a line per finished step; `working` surrounds each with a sign of life.
    Ctrl-C ends what this run started; a later run goes on where it stopped.
    """
    run = DemoRun(
        project=project,
        systems=SourceSystems(project=project),
        as_of=as_of,
        rate=rate,
        say=say,
        working=working,
    )
    with undone_when_interrupted(run):
        run.step("stack", lambda: _stack(project))  # 1
        settings = load_settings(project=project)
        with recorded(settings.postgres, "demo run", target=str(project.root)):
            return _steps(run, settings)


def _steps(run: DemoRun, settings: Settings) -> Proof:
    project = run.project
    calendar = run.systems.fix_calendar(run.as_of)
    run.step("systems", lambda: _systems(run.systems))  # 2
    settings = load_settings(project=project)
    replayed = run.step("replay", lambda: _replay(run, settings))  # 3
    run.step("land", lambda: land(project, settings))  # 4
    run.step("extract", lambda: extract(settings))  # 5
    run.step("plan", lambda: _plan(project, settings, now=calendar["now"]))  # 6
    run.step("activate", lambda: activate(project, settings))  # 7
    run.step("console", lambda: _console(project, settings))  # 8
    proof: Proof = run.step("proof", lambda: _proof(run, settings, replayed))  # 9
    return proof


def _stack(project: Project) -> Outcome:
    report = start(project)
    migrate(load_settings(project=project).postgres)
    names = ", ".join(status.service for status in report.services)
    return Outcome(said=f"{names} ready", already_done=not report.started)


def _systems(systems: SourceSystems) -> Outcome:
    ready = _ready(systems.project)
    retail, crm = systems.start_apis()
    return Outcome(
        said=f"retail API and CRM at {retail.address} and {crm.address}",
        already_done={retail.service, crm.service} <= ready,
    )


def _replay(run: DemoRun, settings: Settings) -> Outcome:
    reports = run.systems.replay(settings, rate=run.rate)
    produced = sum(report["produced"] for report in reports)
    waiting = sum(report["not_yet_due"] for report in reports)
    return Outcome(
        said=f"{produced:,} events produced, {waiting:,} not yet due",
        already_done=produced == 0,
        result=reports,
    )


def _plan(project: Project, settings: Settings, *, now: str) -> Outcome:
    newest = read_evaluations(settings.postgres, limit=1)
    run_plan(project, "--run", now=now)
    after = read_evaluations(settings.postgres, limit=1)
    audits = count_audits(settings)
    return Outcome(
        said=f"{audits.passed} audits passed, {audits.failed} failed", already_done=newest == after
    )


def _console(project: Project, settings: Settings) -> Outcome:
    ready = _ready(project)
    return Outcome(said=f"open {start_console(project, settings)}", already_done=CONSOLE in ready)


def _proof(run: DemoRun, settings: Settings, replayed: list[Mapping[str, Any]]) -> Outcome:
    extracted = [c.stream for c in load_contracts(run.project.contracts) if c.source == _RETAIL]
    with open_session(settings) as session:
        proof = Proof(
            streams=count_streams(session, settings, replayed),
            extracts=count_extracts(session, settings, extracted),
            audits=count_audits(settings),
            activation=count_activation(session, settings, run.project),
            steps=tuple(run.steps),
        )
    said = "every sum comes out" if not proof.violations() else "a sum is wrong"
    return Outcome(said=said, result=proof)


def _ready(project: Project) -> set[str]:
    return {status.service for status in inspect(project) if status.state is ServiceState.READY}

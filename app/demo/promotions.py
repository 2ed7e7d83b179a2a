"""`lake demo promotions`: the 20.9 million promotions, as a person lands a large file beside a running lake.

1 source: ask the planners' system where the file lies. 2 land: the file, once. 3 plan: restate the models of
promotions, whose days are built already. 4 proof: count everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from app.demo.count import count_coordinates
from app.demo.proof import PromotionsProof
from app.demo.steps import DemoRun, Outcome, run_plan
from app.demo.systems import SourceSystems
from ingest.extract.run import run_sources
from lake.errors import BadInputError
from lake.mesh.session import open_session
from lake.settings import Project, Settings, load_settings
from lake.stack import write_variables

STREAM = "promotions"
SOURCE = "merchandising"
MODEL = "staging.stg_retail__promotions"
MART = "lake.analytics.promotion_effect"


def land_promotions(
    project: Project,
    *,
    say: Callable[[str], None],
    working: Callable[[str], AbstractContextManager[object]],
) -> PromotionsProof:
    """Do every step, each only as far as it is not done yet, and return the proof.

    Raises BadInputError before the demo has run: its sales are what promotions are held against.
    """
    systems = SourceSystems(project=project)
    if not systems.state.exists():
        raise BadInputError("no demo has run here yet, so there is nothing to promote", hint="make demo")
    run = DemoRun(project=project, systems=systems, as_of=None, rate=None, say=say, working=working)
    source: Mapping[str, Any] = run.step("source", lambda: _source(systems))  # 1
    settings = load_settings(project=project)
    run.step("land", lambda: _land(settings))  # 2
    run.step("plan", lambda: _plan(systems, settings))  # 3
    return _proof(settings, source, run)  # 4


def _source(systems: SourceSystems) -> Outcome:
    found = systems.promotions()
    write_variables(systems.project, {"promotions_file": found["file"]})
    return Outcome(said=f"{found['rows']:,} promotions in {Path(found['file']).name}", result=found)


def _land(settings: Settings) -> Outcome:
    (report,) = run_sources(settings, [SOURCE])
    pace = report.landed / max(report.seconds, 0.001)
    return Outcome(
        said=f"{report.landed:,} rows landed, {report.quarantined:,} quarantined ({pace:,.0f} rows/s)",
        already_done=not report.commits,
    )


def _plan(systems: SourceSystems, settings: Settings) -> Outcome:
    landed, before = _landed_and_built(settings)
    if landed == before:
        return Outcome(said=f"{before:,} promotions in {MART}", already_done=True)
    run_plan(systems.project, "--restate-model", MODEL, now=systems.fix_calendar(None)["now"])
    return Outcome(said=f"{_landed_and_built(settings)[1]:,} promotions in {MART}")


def _proof(settings: Settings, source: Mapping[str, Any], run: DemoRun) -> PromotionsProof:
    with open_session(settings) as session:
        landed, quarantined, duplicates = count_coordinates(session, settings, STREAM)
    return PromotionsProof(
        source=source["rows"],
        landed=landed,
        quarantined=quarantined,
        duplicates=duplicates,
        built=_landed_and_built(settings)[1],
        steps=tuple(run.steps),
    )


def _landed_and_built(settings: Settings) -> tuple[int, int]:
    """Return the rows that landed and those that the mart counts."""
    raw = f"lake.{settings.landing.raw_schema}.{STREAM}"
    with open_session(settings) as session:
        row = session.query(
            f"SELECT (SELECT count(*) FROM {raw}) AS landed,"  # noqa: S608 - names of ours
            f" (SELECT coalesce(sum(promotions), 0)::BIGINT FROM {MART}) AS built"
        ).to_pylist()[0]
    return row["landed"], row["built"]

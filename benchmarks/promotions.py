"""The demo's 20.9 million promotions: landed from their file, audited and aggregated by their mart.

Each in a process of its own, so that its processor time and its peak memory are known; `mesh` prints them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import Figure, against_goal
from demo.data import promotion_count, promotions_file
from ingest.extract.run import run_sources
from lake.mesh.engine import open_engine
from lake.settings import Project, Settings, load_settings
from lake.stack import write_variables

ROOT = Path(__file__).parents[1]
MEMORY_LIMIT = "1500MB"  # of DuckDB; the process has some 300 MB more
MODELS = (
    "stg_retail__promotions",
    "stg_retail__transactions",
    "stg_retail__product_versions",
    "stg_retail__products",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a child said, and what it took."""

    said: Any
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


def promotion_figures(project: Project) -> Iterator[Figure]:
    """Land the file into a stack that runs, then run the mart's query and the audit of the grain."""
    (project.root / "ingest").symlink_to(ROOT / "ingest")
    write_variables(project, {"promotions_file": str(promotions_file())})
    settings = load_settings(project=project)
    landed = _measured("land", project)
    assert landed.said == promotion_count()
    yield Figure(
        metric="landing promotions from a file, per CPU-second",
        value=round(landed.said / landed.cpu_seconds),
        unit="rows",
    )
    yield Figure(metric="landing promotions, whole", value=round(landed.seconds, 1), unit="s")
    yield against_goal("landing promotions, peak memory", landed.peak_megabytes, "MB", 600)
    _sales(settings)
    for name, query in _queries().items():
        run = _measured("query", project, query)
        yield against_goal(
            f"{name} over {landed.said / 1e6:.1f} M rows, peak memory", run.peak_megabytes, "MB", 2000
        )
        yield Figure(metric=f"{name}", value=round(run.seconds, 1), unit="s")


def _sales(settings: Settings) -> None:
    """Put the year's sales and products beside the promotions, as landing would."""
    from tests.models.test_totals import COLUMNS, META, STAMPED, source

    engine = open_engine(settings)
    for name in ("transactions", "products"):
        engine.execute(
            f"CREATE TABLE lake.raw.{name} AS SELECT * EXCLUDE (place), {META} AS meta"
            f" FROM (SELECT *, {STAMPED} FROM (SELECT {COLUMNS[name]} FROM '{source(name)}'))"
        )
    engine.close()


def _queries() -> dict[str, str]:
    """Return the mart's query and the audit, with the staging models as views of the session."""
    from sqlglot import exp

    from tests.models.conftest import load

    with tempfile.TemporaryDirectory() as scratch:
        context = load(Path(scratch))
        times = {"start": "2025-01-01", "end": "2027-01-01"}
        staging = {name: context.get_model(f"staging.{name}") for name in MODELS}
        promotions, mart = staging[MODELS[0]], context.get_model("analytics.promotion_effect")
        audit, arguments = promotions.audits_with_args[0]
        queries = {
            "the mart of promotions": mart.render_query_or_raise(**times),
            "the audit of their grain": exp.select("count(*)").from_(
                promotions.render_audit_query(audit, **arguments, **times).subquery("failing")
            ),
        }
        places = {model.fqn: f"memory.main.{name}" for name, model in staging.items()}
        views = [
            f"CREATE VIEW {places[m.fqn]} AS {_sql(m.render_query_or_raise(**times), places)}"
            for m in (staging[MODELS[0]], *(staging[name] for name in MODELS[1:]))
        ]
        context.close()
    return {name: ";\n".join([*views, _sql(query, places)]) for name, query in queries.items()}


def _sql(query: Any, places: dict[str, str]) -> str:
    from sqlglot import exp

    return str(exp.replace_tables(query, places, dialect="duckdb").sql("duckdb"))


def _measured(act: str, project: Project, text: str = "") -> Measured:
    began = time.monotonic()
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(text.encode())
        asked.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.promotions", act, str(project.root)],
            stdin=asked,
            stdout=said,
            cwd=ROOT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        said.seek(0)
        return Measured(
            said=json.loads(said.read()),
            seconds=time.monotonic() - began,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_megabytes=usage.ru_maxrss / 1024,
        )


def main() -> None:
    """Do what a figure is made of: `land` or, with SQL on stdin, `query`."""
    act, root = sys.argv[1:]
    settings = load_settings(project=Project(root=Path(root)))
    if act == "land":
        (report,) = run_sources(settings, ["merchandising"])
        print(json.dumps(report.landed))
        return
    engine_settings = settings.engine.model_copy(update={"memory_limit": MEMORY_LIMIT})
    engine = open_engine(settings.model_copy(update={"engine": engine_settings}))
    print(json.dumps(len(engine.execute(sys.stdin.read()).fetchall())))


if __name__ == "__main__":
    main()

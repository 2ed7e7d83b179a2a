"""The demo's 20.9 million promotions: landed from their file, aggregated by their mart, audited.

Each in a process of its own: processor time and peak memory are known; `mesh_scale` prints them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlglot import exp

from benchmarks.results import Figure, against_goal
from benchmarks.sandbox import ROOT, cpu, in_child, megabytes
from demo.data import promotion_count, promotions_file
from ingest.extract.run import run_sources
from lake.mesh.engine import open_engine
from lake.settings import Project, Settings, load_settings
from lake.stack import write_variables

MEMORY_LIMIT = "1500MB"  # of DuckDB; the process has some 300 MB more
PROMOTIONS = "stg_retail__promotions"
BENEATH = (
    PROMOTIONS,
    "stg_retail__transactions",
    "stg_retail__product_versions",
    "stg_retail__products",
)
DAYS = {"start": "2025-01-01", "end": "2027-01-01"}


def promotion_figures(project: Project) -> Iterator[Figure]:
    """Land the file into a stack that runs, then run the mart's query and the audit of the grain."""
    (project.root / "ingest").symlink_to(ROOT / "ingest")
    write_variables(project, {"promotions_file": str(promotions_file())})
    found = in_child("benchmarks.promotions", "land", str(project.root))
    assert found["rows"] == promotion_count()
    rate = Figure(
        metric="landing promotions, per CPU-second", value=round(found["rows"] / found["cpu"]), unit="rows"
    )
    yield rate
    yield against_goal("landing promotions, peak memory", found["megabytes"], "MB", 600)
    _land_sales(load_settings(project=project))
    for name, sql in _statements().items():
        file = project.root / "statement.sql"
        file.write_text(sql, encoding="utf-8")
        found = in_child("benchmarks.promotions", "ask", str(project.root), str(file))
        yield Figure(metric=f"{name} of 20.9 M promotions", value=round(found["seconds"], 1), unit="s")
        yield against_goal(f"{name} of 20.9 M promotions, peak memory", found["megabytes"], "MB", 2000)


def _land_sales(settings: Settings) -> None:
    """Put the year's sales and the products beside the promotions, as landing would."""
    from tests.models.test_totals import COLUMNS, META, STAMPED, source

    engine = open_engine(settings)
    for name in ("transactions", "products"):
        engine.execute(
            f"CREATE TABLE lake.raw.{name} AS SELECT * EXCLUDE (place), {META} AS meta"
            f" FROM (SELECT *, {STAMPED} FROM (SELECT {COLUMNS[name]} FROM '{source(name)}'))"
        )
    engine.close()


def _statements() -> dict[str, str]:
    """Return the mart's query and the audit of the grain, the staging models as views of the session."""
    from tests.models.conftest import load

    with tempfile.TemporaryDirectory() as scratch:
        context = load(Path(scratch))
        models = {name: context.get_model(f"staging.{name}", raise_if_missing=True) for name in BENEATH}
        places = {model.fqn: f"memory.main.{name}" for name, model in models.items()}

        def written(query: exp.Expression) -> str:
            return exp.replace_tables(query, places, dialect="duckdb").sql("duckdb")

        views = [
            f"CREATE VIEW {places[model.fqn]} AS {written(model.render_query_or_raise(**DAYS))}"
            for model in models.values()
        ]
        mart = context.get_model("analytics.promotion_effect", raise_if_missing=True)
        audit, arguments = models[PROMOTIONS].audits_with_args[0]
        asked = {
            "the mart": mart.render_query_or_raise(**DAYS),
            "the audit of the grain": models[PROMOTIONS].render_audit_query(audit, **arguments, **DAYS),
        }
        context.close()
        return {name: ";\n".join([*views, written(query)]) for name, query in asked.items()}


def _land(settings: Settings) -> dict[str, Any]:
    (report,) = run_sources(settings, ["merchandising"])
    return {"rows": report.landed}


def _ask(settings: Settings, file: str) -> dict[str, Any]:
    limited = settings.engine.model_copy(update={"memory_limit": MEMORY_LIMIT})
    engine = open_engine(settings.model_copy(update={"engine": limited}))
    began = time.monotonic()
    rows = engine.execute(Path(file).read_text(encoding="utf-8")).fetchall()
    return {"rows": len(rows), "seconds": time.monotonic() - began}


def main() -> None:
    """Do what a figure is made of and say what it took."""
    act, root, *rest = sys.argv[1:]
    found = {"land": _land, "ask": _ask}[act](load_settings(project=Project(root=Path(root))), *rest)
    print(json.dumps({**found, "cpu": cpu(), "megabytes": megabytes()}))


if __name__ == "__main__":
    main()

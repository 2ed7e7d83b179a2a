"""Environments: promoting 200 views, resolving three, and against stock on a DuckDB file the work of a warm
Context and the CPU time of the stock command line.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlglot
from pyarrow.fs import FileSelector
from sqlmesh.core.snapshot.evaluator import SnapshotEvaluator

from benchmarks import sides
from benchmarks.results import Figure, against_goal, write
from benchmarks.sides import Side, compared, plan, take
from benchmarks.timing import timed
from lake.catalog.open import open_catalog
from lake.catalog.storage import LakeFileIO
from lake.control import migrate
from lake.mesh.context import WarmContext
from lake.mesh.lookup import resolve
from lake.mesh.travel import DIALECT
from lake.settings import Project, load_settings
from lake.stack import start, stop

PROMOTED = 200
RUNS = 7
STARTS = 3
LAKE = """\
gateways:
  lake:
    connection: {type: lake}
    state_connection: {type: lake_state}
"""
STOCK = """\
gateways:
  local:
    connection: {type: duckdb, database: local.db}
    state_connection: {type: duckdb, database: state.db}
"""
STOCK_FILE = "stock on a DuckDB file"
REST = """\
model_defaults: {dialect: duckdb, start: 2026-01-01}
disable_anonymized_analytics: true
infer_python_dependencies: false
"""


def main() -> None:
    """Measure on a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="lakemesh-bench-") as folder:
        root = Path(folder).resolve()
        try:
            figures = [*_warm_against_stock(root), *_start_up(root), *_promotion(root / "lake")]
        finally:
            stop(Project(root=root / "lake"))
    write("mesh_env", figures)


def _project(root: Path, gateways: str, models: int) -> None:
    (root / "models").mkdir(parents=True, exist_ok=True)
    (root / "config.yaml").write_text(gateways + REST, encoding="utf-8")
    for number in range(models):
        _model(root, number, "v")


def _model(root: Path, number: int, column: str) -> None:
    source = f"bench.m{number - 1}" if number % 10 else "(SELECT 1 AS v)"
    text = f"MODEL (name bench.m{number}, kind FULL);\nSELECT s.v::INT AS {column}"
    text = text.replace("s.v::INT", "1::INT") + f" FROM {source} AS s\n"
    (root / "models" / f"m{number}.sql").write_text(text, encoding="utf-8")


def _warm_against_stock(root: Path) -> list[Figure]:
    """No-op run, and an edit planned into a development environment, each on a Context that is warm."""
    ours, stock = root / "lake", root / "stock"
    _project(ours, LAKE, 10)
    _project(
        stock, STOCK.replace(" local.db", f" {stock}/local.db").replace(" state.db", f" {stock}/state.db"), 10
    )
    start(Project(root=ours))
    migrate(load_settings(project=Project(root=ours)).postgres)
    run = ("run", {"environment": "prod", "skip_janitor": True})
    with Side(sides.LAKE, ours) as warm, Side(sides.STOCK, stock) as plain:
        for side in (warm, plain):
            side.timed(plan())
        runs = [(warm.timed(run), plain.timed(run)) for _ in range(RUNS)]
        edits = []
        for number in range(RUNS):
            for folder in (ours, stock):
                _model(folder, 9, f"v{number}")
            # A plain Context is told to load; a warm one sees for itself that a file changed.
            edits.append((warm.timed(plan("dev_bench")), plain.timed(("load", {}), plan("dev_bench"))))
    return [
        against_goal(
            "run with nothing to do, warm (median)", statistics.median(r.wall for r, _ in runs), "s", 0.5
        ),
        *compared("run with nothing to do, warm", runs, stock=STOCK_FILE),
        *compared("edit, plan and build one model in dev, warm", edits, stock=STOCK_FILE),
    ]


def _start_up(root: Path) -> Iterator[Figure]:
    """Let the stock command line load both projects, and plan no change; count CPU seconds, in turns."""
    command = str(Path(sys.executable).with_name("sqlmesh"))
    commands = {"load a project": ["lint"], "plan no change": ["plan", "dev_bench", "--no-prompts"]}
    for name, arguments in commands.items():
        taken: dict[str, list[float]] = {"lake": [], "stock": []}
        for _ in range(STARTS):
            for folder, times in taken.items():
                began = os.times()
                subprocess.run(
                    [command, "-p", str(root / folder), *arguments], check=True, capture_output=True, cwd=root
                )
                ended = os.times()
                times.append(
                    ended.children_user + ended.children_system - began.children_user - began.children_system
                )
        own = statistics.median(taken["lake"]) - statistics.median(taken["stock"])
        yield against_goal(f"our own part of `sqlmesh {arguments[0]}`: {name}, CPU", own, "s", 0.3)


def _promotion(root: Path) -> list[Figure]:
    """Promote an environment of 200 views on empty tables; count the data files that this adds."""
    _project(root, LAKE, PROMOTED)
    project = Project(root=root)
    settings = load_settings(project=project)
    warm, taken, worked = WarmContext(project), [], []
    stock = SnapshotEvaluator.promote

    def promote(self: Any, *args: Any, **kwargs: Any) -> None:
        began = time.process_time()
        taken.append(timed(lambda: stock(self, *args, **kwargs)))
        worked.append(time.process_time() - began)

    with warm.use() as context:
        take(context, plan(empty_backfill=True))
        context.engine_adapter.runtime.history.flush(60)  # type: ignore[attr-defined]  # ours; it writes files
        before = _data_objects(settings)
        SnapshotEvaluator.promote = promote  # type: ignore[method-assign]
        try:
            take(context, plan("dev_promoted", include_unmodified=True))
        finally:
            SnapshotEvaluator.promote = stock  # type: ignore[method-assign]
    added = _data_objects(settings) - before
    catalog = open_catalog(settings)
    query = sqlglot.parse_one(
        "SELECT * FROM bench.m1 AS a JOIN bench.m2 AS b USING (v) JOIN bench.m3 AS c USING (v)",
        dialect=DIALECT,
    )
    resolved = [
        timed(lambda: resolve(query, catalog, moment_of=lambda _: None).sql(DIALECT))
        for _ in range(RUNS * 5)  # type: ignore[arg-type,return-value]
    ]
    warm.close()
    return [
        against_goal(f"promotion of {PROMOTED} views", taken[-1], "s", 2),
        Figure(metric="the same: CPU of this process", value=round(worked[-1], 2), unit="s"),
        Figure(
            metric="data objects that a promotion adds", value=float(added), unit="files", against="goal 0"
        ),
        against_goal("resolving three views (median)", statistics.median(resolved) * 1000, "ms", 10),
    ]


def _data_objects(settings: Any) -> int:
    catalog = open_catalog(settings)
    files = LakeFileIO(catalog.properties)._initialize_s3_fs(None)  # noqa: SLF001  its file system, with our settings
    found = files.get_file_info(FileSelector(settings.catalog.warehouse, recursive=True))
    return sum(entry.path.endswith(".parquet") for entry in found)


if __name__ == "__main__":
    main()

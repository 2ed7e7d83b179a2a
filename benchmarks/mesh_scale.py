"""SQLMesh on Iceberg at size: 500 models, one day of a table of 100 million rows, 20.9 million promotions.

`--scale` makes the table three times as large (300 days of a million rows) and takes minutes more.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import sides
from benchmarks.promotions import promotion_figures
from benchmarks.results import Figure, against_goal, write
from benchmarks.sandbox import temporary_stack
from benchmarks.sides import Side, compared, plan
from benchmarks.timing import median, timed
from lake.catalog.live_files import LiveFiles, read_live_files
from lake.catalog.open import open_catalog
from lake.catalog.tables import load_table
from lake.mesh.session import open_session
from lake.types import TableName
from tests.fakes.mesh import MeshProject, mesh_project

DAYS = 300 if "--scale" in sys.argv else 100
PER_DAY = 1_000_000
MODELS = 500
PROCESSES = 3
STOCK = """\
gateways:
  local:
    connection: {{type: duckdb, database: {database}}}
    state_connection: {{type: lake_state, project: {project}}}
    state_schema: stock
model_defaults: {{dialect: duckdb, start: 2026-01-01}}
cache_dir: {cache}
disable_anonymized_analytics: true
infer_python_dependencies: false
"""
FIRST, MIDDLE = "2026-01-01", "2026-02-15"
BIG = (
    "kind INCREMENTAL_BY_TIME_RANGE (time_column day, batch_size 10), partitioned_by (day(day)),"
    f" start '{FIRST}'"
)
QUERY = f"""\
SELECT d::DATE AS day, i::BIGINT AS id, (hash(i) % 1000)::INT AS v
FROM generate_series(@start_date::TIMESTAMP, @end_date::TIMESTAMP, INTERVAL 1 DAY) AS s(d),
  range({PER_DAY}) AS r(i)"""


def main() -> None:
    """Run both on a stack of their own."""
    with temporary_stack() as (project, settings):
        with mesh_project(project.root / "big", settings) as mesh:
            figures = [*_one_day_of_many(mesh)]
        with mesh_project(project.root / "many", settings) as mesh:
            figures += _many_models(mesh)
        figures += promotion_figures(project)
    write("mesh_scale", figures)


def _one_day_of_many(mesh: MeshProject) -> Iterator[Figure]:
    """Build a table by an incremental model, publish one day of it again, read one day and the whole."""
    mesh.model("big", BIG, QUERY, audits="not_null(columns := (id, v)), forall(criteria := (v >= 0))")
    context = mesh.context()
    rows, end = DAYS * PER_DAY, f"DATE '{FIRST}' + {DAYS}"
    [(last,)] = mesh.sql(f"SELECT strftime({end}, '%Y-%m-%d')")
    built = timed(lambda: mesh.plan(context, execution_time=last))
    yield Figure(
        metric=f"building {rows / 1e6:.0f} M rows in {DAYS // 10} publishes", value=round(built, 2), unit="s"
    )
    before = _live(mesh, context)
    model = f"{mesh.name}.big"
    again = timed(
        lambda: mesh.plan(context, restate_models=[model], start=MIDDLE, end=MIDDLE, execution_time=last)
    )
    after = _live(mesh, context)
    old = {file.path for file in before.files}
    touched = len({file.path for file in after.files} ^ old)
    yield Figure(
        metric=f"files that one day of {rows / 1e6:.0f} M rows touches", value=touched, unit="files",
        against=f"all {len(old)}", ratio=round(touched / len(old), 3),
    )  # fmt: skip
    yield Figure(
        metric="publishing that day again, audited", value=round(again, 2), unit="s",
        against=f"a day's share of building {built / DAYS:.2f} s", ratio=round(again / (built / DAYS), 2),
    )  # fmt: skip
    with open_session(mesh.settings) as session:
        one = f"SELECT COUNT(*) AS n, SUM(v) AS v FROM {model} WHERE day = DATE '{MIDDLE}'"
        whole = f"SELECT COUNT(*) AS n, SUM(v) AS v FROM {model}"
        assert session.query(whole).to_pylist()[0]["n"] == rows
        for name, sql in (("one day", one), ("the whole", whole)):
            yield Figure(metric=f"reading {name}", value=round(median(5, session.query, sql), 3), unit="s")
    context.close()


def _live(mesh: MeshProject, context: Any) -> LiveFiles:
    schema, name = mesh.physical(context, "big")
    state = load_table(open_catalog(mesh.settings), TableName(schema=schema, name=name))
    assert state is not None
    return read_live_files(state)


def _many_models(mesh: MeshProject) -> Iterator[Figure]:
    """Plan a project of 500 models in chains of ten with nothing changed: in a new process, and once more."""
    for number in range(MODELS):
        source = f"{{me}}.m{number - 1}" if number % 10 else "(SELECT 1 AS v)"
        mesh.model(f"m{number}", "kind FULL", f"SELECT v::INT AS v FROM {source} AS s")
    ours = mesh.project.root
    stock = ours.with_name("stock")
    shutil.copytree(ours / "models", stock / "models")
    config = STOCK.format(database=stock / "local.db", project=ours, cache=stock / ".cache")
    (stock / "config.yaml").write_text(config, encoding="utf-8")
    kinds = {sides.LAKE: ours, sides.STOCK: stock}

    def build(kind: str) -> None:
        with Side(kind, kinds[kind]) as side:
            side.timed(plan(empty_backfill=True))

    with ThreadPoolExecutor() as both:
        list(both.map(build, kinds))
    new, again = [], []
    for _ in range(PROCESSES):
        with Side(sides.LAKE, ours) as lake, Side(sides.STOCK, stock) as plain:
            new.append((lake.timed(plan()), plain.timed(plan())))
            again.append((lake.timed(("load", {}), plan()), plain.timed(("load", {}), plan())))
    for how, taken in (("in a new process", new), ("loaded anew", again)):
        metric = f"plan with no change, {MODELS} models, {how}"
        yield against_goal(metric, statistics.median(side.wall for side, _ in taken), "s", 10)
        yield from compared(metric, taken, stock="stock on a DuckDB file, the same state database,")


if __name__ == "__main__":
    main()

"""SQLMesh on Iceberg, DuckDB's part: what an atomic audited publish costs, and what it leaves behind.

Publishing is compared with stock SQLMesh's own way in the same run: DELETE and INSERT, then the same
audits, with no transaction and no tidying. `--long` refreshes 100 times instead of 20.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from benchmarks.results import Figure, write
from benchmarks.sandbox import temporary_stack
from benchmarks.timing import evaluations, median
from lake.catalog.live_files import read_live_files
from lake.catalog.open import open_catalog
from lake.catalog.tables import load_table
from lake.types import TableName
from tests.fakes.mesh import MeshProject, mesh_project

LONG = "--long" in sys.argv
ROWS = 1_000_000
DAYS = 40
REPUBLISHES = 20
REFRESHES = 100 if LONG else 20
AUDITS = "not_null(columns := (id, day, v)), unique_values(columns := (id)), forall(criteria := (v >= 0))"


def main() -> None:
    """Run everything on a stack of its own."""
    with temporary_stack() as (project, settings), mesh_project(project.root / "mesh", settings) as mesh:
        write("mesh", list(_figures(mesh)))


def _figures(mesh: MeshProject) -> Iterator[Figure]:
    mesh.sql(
        f"CREATE TABLE {{raw}}.s AS SELECT i::BIGINT AS id, (hash(i) % 2500)::INT AS household,"
        f" (hash(i + 1) % 500)::INT AS store, DATE '2026-09-01' + (i % {DAYS})::INT AS day,"
        f" (i % 1000 / 7)::DECIMAL(12, 2) AS v FROM range({ROWS}) r(i)"
    )
    between = "FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date"
    header = "kind INCREMENTAL_BY_TIME_RANGE (time_column day), start '2026-09-01', partitioned_by (day(day))"
    for name in ("ours", "plain"):
        mesh.model(name, header, f"SELECT id, day, store, v {between}", audits=AUDITS)
    mesh.model("whole", "kind FULL", "SELECT id, day, v FROM {raw}.s WHERE store < 50")
    context = mesh.context()
    mesh.plan(context)
    yield from _publishing(mesh, context)
    yield from _refreshing(mesh, context)
    context.close()


def _publishing(mesh: MeshProject, context: Any) -> Iterator[Figure]:
    """Restate the same ten days again and again, ours and the stock way in turns."""
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    before = {f.path for f in _live(mesh, context, "ours").files}
    for number in range(REPUBLISHES):
        seconds["ours"].append(_evaluation(mesh, context, "ours"))
        with _stock_publishing():
            seconds["plain"].append(_evaluation(mesh, context, "plain"))
        if number == 0:
            after = {f.path for f in _live(mesh, context, "ours").files}
            new = len(after - before)
            yield _ratio("files of a publish of 10 days of 40", new, "files", "days published", 10)
    for name, part in (("fresh", slice(0, 5)), (f"after {REPUBLISHES} times", slice(-5, None))):
        ours, plain = (statistics.median(seconds[which][part]) for which in ("ours", "plain"))
        yield _ratio(f"audited publish, {name} (≤ 1.1)", ours, "s", "delete + insert + audits", plain)


def _refreshing(mesh: MeshProject, context: Any) -> Iterator[Figure]:
    """Refresh a FULL model; compare files and read time with those after the first refresh."""

    def refresh() -> None:
        mesh.plan(context, restate_models=[f"{mesh.name}.whole"])

    table = "lake." + ".".join(mesh.physical(context, "whole"))
    refresh()
    files, read = len(_live(mesh, context, "whole").files), _read_seconds(mesh, table)
    for _ in range(REFRESHES - 1):
        refresh()
    live = _live(mesh, context, "whole")
    left = len(live.files) + sum(len(f.deletes) for f in live.files)
    yield _ratio(f"files of a FULL model, {REFRESHES} refreshes (≤ 1.5)", left, "files", "after 1", files)
    now = _read_seconds(mesh, table)
    yield _ratio(f"reading it, {REFRESHES} refreshes (≤ 1.5)", now, "s", "after 1", read)


def _ratio(metric: str, value: float, unit: str, against: str, other: float) -> Figure:
    return Figure(
        metric=metric, value=round(value, 3), unit=unit, against=against, ratio=round(value / other, 2)
    )


def _evaluation(mesh: MeshProject, context: Any, model: str) -> float:
    """Restate ten days and return the seconds in which they were evaluated, audited and published."""
    with evaluations() as seconds:
        mesh.plan(context, restate_models=[f"{mesh.name}.{model}"], start="2026-09-11", end="2026-09-20")
    return sum(seconds.values())


@contextmanager
def _stock_publishing() -> Iterator[None]:
    """Let SQLMesh write and audit with nothing of ours around it."""
    from lake.mesh import seams
    from lake.mesh.publish import Publication

    ours = seams.publish

    def bare(
        runtime: Any,
        work: Any,
        evaluate: Callable[[Any], Any],
        *,
        kind: type[Publication] = Publication,
    ) -> Any:
        from lake.clock import SystemClock

        return evaluate(kind(runtime=runtime, work=work, clock=SystemClock()))

    seams.publish = bare  # type: ignore[assignment]
    try:
        yield
    finally:
        seams.publish = ours


def _live(mesh: MeshProject, context: Any, model: str) -> Any:
    schema, name = mesh.physical(context, model)
    catalog = open_catalog(mesh.settings)
    return read_live_files(_some(load_table(catalog, TableName(schema=schema, name=name))))


def _read_seconds(mesh: MeshProject, table: str) -> float:
    return median(9, _fetch, mesh.engine, f"SELECT day, COUNT(*), SUM(v) FROM {table} GROUP BY ALL")


def _fetch(engine: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return engine.execute(sql).fetchall()


def _some(state: Any) -> Any:
    assert state is not None
    return state


if __name__ == "__main__":
    main()

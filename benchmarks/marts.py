"""The demo's marts on Iceberg and on DuckDB's own file: building them with their audits, and reading them.

Stock SQLMesh builds the same models from the same rows of a year into a file. What Parquet alone costs is
shown beside: the same questions to copies of the tables' own data files on the local disk.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from sqlmesh.core.console import NoopConsole, set_console
from sqlmesh.core.context import Context

from benchmarks.results import Figure, write
from benchmarks.sandbox import ROOT, temporary_stack
from benchmarks.timing import evaluations, median
from lake.mesh.session import open_session
from lake.settings import Settings
from tests.models.conftest import load
from tests.models.test_totals import SAMPLES, TABLES, land, query

PARTS = ("models", "macros", "audits", "signals", "linter", "external_models")
RAW = {"promotions": SAMPLES["promotions"]}  # of 20.9 M rows; everything else is landed whole
MARTS = [name for name in TABLES if name.startswith("analytics.")]
BUILDS = 3
READS = 15


def main() -> None:
    """Run everything on a stack of its own."""
    set_console(NoopConsole())
    with temporary_stack() as (project, settings):
        for name in PARTS:
            (project.root / name).symlink_to(ROOT / name)
        (project.root / "config.yaml").write_text((ROOT / "config.yaml").read_text("utf-8"), "utf-8")
        write("marts", list(_figures(project.root, settings)))


def _figures(root: Path, settings: Settings) -> Iterator[Figure]:
    with (
        closing(Context(paths=[str(root)])) as ours,
        closing(load(root / "stock", str(root / "stock.duckdb"))) as stock,
    ):
        for context in (ours, stock):
            land(context, RAW)
            _plan(context)
        yield from _building(ours, stock)
        yield from _reading(settings, stock, root)


def _building(ours: Context, stock: Context) -> Iterator[Figure]:
    """Build every mart again, in turns."""
    rounds = [(_built(ours), _built(stock)) for _ in range(BUILDS)]
    sums = [0.0, 0.0]
    for mart in MARTS:
        pair = [statistics.median(sides[which][mart] for sides in rounds) for which in (0, 1)]
        sums = [total + seconds for total, seconds in zip(sums, pair, strict=True)]
        yield _against(f"building {mart}", *pair)
    yield _against("building the marts, in sum (≤ 2.5)", *sums)


def _built(context: Context) -> dict[str, float]:
    """Return the seconds of evaluating, auditing and publishing each mart."""
    with evaluations() as seconds:
        _plan(context, restate_models=MARTS)
    return seconds


def _plan(context: Context, **options: Any) -> None:
    context.plan(auto_apply=True, no_prompts=True, skip_tests=True, skip_linter=True, **options)


def _reading(settings: Settings, stock: Context, root: Path) -> Iterator[Figure]:
    """Ask for all columns of each mart: by name, the engine alone, DuckDB's own file, Parquet alone."""
    sums = dict.fromkeys(("by name", "engine", "own", "parquet"), 0.0)
    local = duckdb.connect()
    with open_session(settings) as session:
        for mart in MARTS:
            asked = _question(session.query(f"SELECT * FROM {mart} LIMIT 0").schema.names)
            text, copy = asked.format(table=mart), root / f"{mart}.parquet"
            prepared = session.prepare(text)
            of_copy = asked.format(table=f"'{copy}'")
            session.connection.execute(f"COPY ({session.prepare(f'FROM {mart}')}) TO '{copy}'")
            took = {
                "by name": median(READS, lambda text=text: session.query(text)),
                "engine": median(READS, lambda text=prepared: session.connection.execute(text).fetchall()),
                "own": median(READS, lambda text=text: query(stock, text)),
                "parquet": median(READS, lambda text=of_copy: local.execute(text).fetchall()),
            }
            sums = {name: total + took[name] for name, total in sums.items()}
            yield _against(f"reading {mart}", took["by name"], took["own"])
    yield _against("reading the marts by name, in sum (≤ 1.6)", sums["by name"], sums["own"])
    yield _against("the same, names resolved before", sums["engine"], sums["own"])
    yield _against("the same from local Parquet files", sums["parquet"], sums["own"])


def _question(columns: list[str]) -> str:
    columns = [f'MAX("{name}")' for name in columns]
    return f"SELECT COUNT(*), {', '.join(columns)} FROM {{table}}"


def _against(metric: str, value: float, own: float) -> Figure:
    peer = f"DuckDB's own file {own:.4f} s"
    return Figure(metric=metric, value=round(value, 4), unit="s", against=peer, ratio=round(value / own, 2))


if __name__ == "__main__":
    main()

"""Every model kind that SQLMesh offers works on Iceberg through stock SQLMesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_kinds")]

BETWEEN = "FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date"
MODELS = {
    "whole": (
        "kind FULL",
        "SELECT g::INT AS g, COUNT(*)::BIGINT AS n, MAX(nest) AS nest FROM {raw}.s GROUP BY g",
    ),
    "untyped": (
        "kind FULL",
        "SELECT g, COUNT(*) AS n, SUM(v) AS v, 1::SMALLINT AS small FROM {raw}.s GROUP BY g",
    ),
    "view": ("kind VIEW", "SELECT * FROM {me}.whole"),
    "nested": (
        "kind VIEW",
        "WITH v AS (SELECT * FROM {me}.view) SELECT v.n, x.g FROM v JOIN {me}.whole AS x USING (g)",
    ),
    "embedded": ("kind EMBEDDED", "SELECT g, v FROM {raw}.s"),
    "on_embedded": ("kind FULL", "SELECT SUM(v)::BIGINT AS v FROM {me}.embedded"),
    "by_time": (
        "kind INCREMENTAL_BY_TIME_RANGE (time_column day, batch_size 5, lookback 1)",
        f"SELECT day::DATE AS day, COUNT(*)::BIGINT AS n {BETWEEN} GROUP BY day",
    ),
    "cut": (
        "kind INCREMENTAL_BY_TIME_RANGE (time_column ts), partitioned_by (day(ts), bucket(4, g))",
        """SELECT ts::TIMESTAMPTZ AS ts, g::BIGINT AS g, COUNT(*)::BIGINT AS n FROM {raw}.s
        WHERE ts BETWEEN @start_dt AND @end_dt GROUP BY ts, g""",
    ),
    "by_key": (
        "kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id)",
        f"SELECT id::BIGINT AS id, v::BIGINT AS v {BETWEEN}",
    ),
    "by_partition": (
        "kind INCREMENTAL_BY_PARTITION, partitioned_by (g)",
        f"SELECT g::INT AS g, day::DATE AS day, v::BIGINT AS v {BETWEEN}",
    ),
    "unmanaged": ("kind INCREMENTAL_UNMANAGED", f"SELECT id::BIGINT AS id, v::BIGINT AS v {BETWEEN}"),
    "scd": (
        "kind SCD_TYPE_2_BY_COLUMN (unique_key id, columns [v])",
        "SELECT id::BIGINT AS id, v::BIGINT AS v FROM {raw}.s WHERE id < 20",
    ),
    "scd_time": (
        "kind SCD_TYPE_2_BY_TIME (unique_key id, updated_at_name ts)",
        "SELECT id::BIGINT AS id, v::BIGINT AS v, ts::TIMESTAMP AS ts FROM {raw}.s WHERE id < 20",
    ),
}
PYTHON = """
import typing as t
import pandas as pd
from sqlmesh import ExecutionContext, model

@model("{me}.python", kind="FULL", columns={{"id": "bigint", "x": "text"}})
def execute(context: ExecutionContext, start, end, execution_time, **kwargs: t.Any) -> pd.DataFrame:
    n = context.fetchdf("SELECT COUNT(*) AS n FROM " + context.resolve_table("{me}.nested")).n[0]
    return pd.DataFrame({{"id": [1, int(n)], "x": ["a", "b"]}})
"""


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project with a model of each kind over one source of 100 rows."""
    folder = tmp_path_factory.mktemp("kinds")
    with mesh_project(folder, stack) as project:
        project.sql(
            "CREATE TABLE {raw}.s AS SELECT DATE '2026-11-01' + (i % 10)::INT AS day, i::BIGINT AS id,"
            " (i % 3)::INT AS g, 1::BIGINT AS v, TIMESTAMPTZ '2026-11-01 00:00:00+00' AS ts,"
            " {{'a': 1, 'b': [1.5::DECIMAL(5,2)]}} AS nest FROM range(100) r(i)"
        )
        for name, (header, query) in MODELS.items():
            project.model(name, f"{header}, start '2026-11-01'", query)
        (folder / "models" / "python.py").write_text(PYTHON.format(me=project.name), encoding="utf-8")
        (folder / "seeds").mkdir()
        (folder / "seeds" / "s.csv").write_text("id,name\n1,a\n2,b\n", encoding="utf-8")
        (folder / "models" / "seed.sql").write_text(
            f"MODEL (name {project.name}.seed, kind SEED (path '../seeds/s.csv'),"
            " columns (id BIGINT, name TEXT));",
            encoding="utf-8",
        )
        yield project


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Give the planned project."""
    context = project.context()
    project.plan(context)
    yield context
    context.close()


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        ("whole", 3),
        ("untyped", 3),
        ("view", 3),
        ("nested", 3),
        ("on_embedded", 1),
        ("by_time", 10),
        ("cut", 3),
        ("by_key", 100),
        ("by_partition", 100),
        ("unmanaged", 100),
        ("scd", 20),
        ("scd_time", 20),
        ("seed", 2),
        ("python", 2),
    ],
)
def test_a_model_of_each_kind_has_its_rows(project: MeshProject, context: Any, model: str, rows: int) -> None:
    """What the first plan built, read by the name that people use."""
    assert len(context.fetchdf(f"SELECT * FROM {project.name}.{model}")) == rows


def test_nested_and_decimal_types_survive(project: MeshProject, context: Any) -> None:
    """A struct with a list of decimals comes back as it went in, through a table and two views."""
    value = context.fetchdf(f"SELECT nest FROM lake.{project.name}.view LIMIT 1").nest[0]
    assert value["a"] == 1
    assert [str(item) for item in value["b"]] == ["1.5"] or [float(item) for item in value["b"]] == [1.5]


def test_a_partition_transform_reaches_iceberg(project: MeshProject, context: Any) -> None:
    """day(ts) and bucket(4, g) are the table's partition spec."""
    from lake.catalog.open import open_catalog

    table = open_catalog(project.settings).load_table(project.physical(context, "cut"))
    assert [str(part.transform) for part in table.spec().fields] == ["day", "bucket[4]"]


def test_a_later_run_adds_what_is_new_and_repeats_nothing(project: MeshProject, context: Any) -> None:
    """Rows of a new day arrive once in each incremental kind; a changed value closes an old version.

    By partition, the 33 rows of the partition give way to its 5 new ones.
    """
    project.sql(
        "INSERT INTO {raw}.s SELECT DATE '2026-12-24', 1000 + i, 1, 1, TIMESTAMPTZ '2026-12-24 00:00:00+00',"
        " NULL FROM range(5) r(i)"
    )
    project.sql("UPDATE {raw}.s SET v = 5 WHERE id < 3")
    context.run(execution_time="2026-12-31", end="2026-12-30")
    me = project.name
    for model, rows in {"by_key": 105, "by_partition": 72, "unmanaged": 105}.items():
        assert int(context.fetchdf(f"SELECT COUNT(*) AS n FROM {me}.{model}").n[0]) == rows, model
    closed = context.fetchdf(f"SELECT COUNT(*) AS n, COUNT(valid_to) AS closed FROM {me}.scd")
    assert (int(closed.n[0]), int(closed.closed[0])) == (23, 3)

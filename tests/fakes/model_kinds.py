"""A model of each kind that SQLMesh offers, over one source of 100 rows, and what holds on any engine."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.fakes.mesh import MeshProject

BETWEEN = "FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date"
BY_KEY = f"SELECT id::BIGINT AS id, v::BIGINT AS v {BETWEEN}"
# Name: header, query, rows after the first plan, after a run over five rows of a new day, after restating.
MODELS = {
    "whole": (
        "kind FULL",
        "SELECT g::INT AS g, COUNT(*)::BIGINT AS n, MAX(nest) AS nest FROM {raw}.s GROUP BY g",
        (3, 3, 3),
    ),
    "untyped": (
        "kind FULL",
        "SELECT g, COUNT(*) AS n, SUM(v) AS v, 1::SMALLINT AS small FROM {raw}.s GROUP BY g",
        (3, 3, 3),
    ),
    "view": ("kind VIEW", "SELECT * FROM {me}.whole", (3, 3, 3)),
    "nested": (
        "kind VIEW",
        "WITH v AS (SELECT * FROM {me}.view) SELECT v.n, x.g FROM v JOIN {me}.whole AS x USING (g)",
        (3, 3, 3),
    ),
    "on_embedded": ("kind FULL", "SELECT SUM(v)::BIGINT AS v FROM {me}.embedded", (1, 1, 1)),
    "by_time": (
        "kind INCREMENTAL_BY_TIME_RANGE (time_column day, batch_size 3, batch_concurrency 3, lookback 1)",
        f"SELECT day::DATE AS day, COUNT(*)::BIGINT AS n {BETWEEN} GROUP BY day",
        (10, 11, 11),
    ),
    "cut": (
        "kind INCREMENTAL_BY_TIME_RANGE (time_column ts), partitioned_by (day(ts), bucket(4, g))",
        """SELECT ts::TIMESTAMPTZ AS ts, g::BIGINT AS g, COUNT(*)::BIGINT AS n FROM {raw}.s
        WHERE ts BETWEEN @start_dt AND @end_dt GROUP BY ts, g""",
        (3, 6, 6),
    ),
    "by_key": ("kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id)", BY_KEY, (100, 105, 105)),
    "merged": (
        """kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id,
            when_matched WHEN MATCHED THEN UPDATE SET target.v = target.v + source.v)""",
        BY_KEY,
        (100, 105, 105),
    ),
    # The 33 rows of the partition give way to its 5 new ones.
    "by_partition": (
        "kind INCREMENTAL_BY_PARTITION, partitioned_by (g)",
        f"SELECT g::INT AS g, day::DATE AS day, v::BIGINT AS v {BETWEEN}",
        (100, 72, 105),
    ),
    "unmanaged": ("kind INCREMENTAL_UNMANAGED", BY_KEY, (100, 105, 105)),
    "overwritten": (
        "kind INCREMENTAL_UNMANAGED (insert_overwrite true), partitioned_by (g)",
        f"SELECT g::INT AS g, v::BIGINT AS v {BETWEEN}",
        (100, 72, 72),
    ),
    "scd": (
        "kind SCD_TYPE_2_BY_COLUMN (unique_key id, columns [v])",
        "SELECT id::BIGINT AS id, v::BIGINT AS v FROM {raw}.s WHERE id < 20",
        (20, 23, 23),
    ),
    "scd_time": (
        "kind SCD_TYPE_2_BY_TIME (unique_key id, updated_at_name ts)",
        "SELECT id::BIGINT AS id, v::BIGINT AS v, ts::TIMESTAMP AS ts FROM {raw}.s WHERE id < 20",
        (20, 23, 23),
    ),
    "twice": ("kind CUSTOM (materialization 'twice')", "SELECT g::INT AS g FROM {me}.whole", (6, 6, 6)),
}
PYTHON = """
import typing as t
import pandas as pd
import polars as pl
from sqlmesh import ExecutionContext, model
from sqlmesh.core.model import ModelKindName

@model("{me}.python_{name}", kind={kind}, columns={{"id": "bigint", "x": "text"}}, start="2026-11-01",
       gateway="{gateway}")
def execute(context: ExecutionContext, start, end, execution_time, **kwargs: t.Any) -> pd.DataFrame:
    n = int(context.fetchdf("SELECT COUNT(*) AS n FROM " + context.resolve_table("{me}.nested")).n[0])
    {body}
"""
WHOLE = '"FULL"'
BODIES = {
    "pandas": (WHOLE, 'return pd.DataFrame({"id": [1, n], "x": ["a", "b"]})', (2, 2, 2)),
    "polars": (WHOLE, 'return pl.DataFrame({"id": [1, n], "x": ["a", "b"]})', (2, 2, 2)),
    "arrow": (WHOLE, 'return pl.DataFrame({"id": [1, n], "x": ["a", "b"]}).to_arrow()', (2, 2, 2)),
    "generator": (
        WHOLE,
        'yield pd.DataFrame({"id": [1], "x": ["a"]})\n    yield pl.DataFrame({"id": [n], "x": ["b"]})',
        (2, 2, 2),
    ),
    "nothing": (WHOLE, "yield from ()", (0, 0, 0)),
    "key": (
        '{"name": ModelKindName.INCREMENTAL_BY_UNIQUE_KEY, "unique_key": ["id"]}',
        'yield pl.DataFrame({"id": [1], "x": ["a"]})\n    yield pd.DataFrame({"id": [1], "x": ["b"]})',
        (1, 1, 1),
    ),
}
CUSTOM = """
from sqlmesh import CustomMaterialization

class Twice(CustomMaterialization):
    NAME = "twice"

    def insert(self, table_name, query_or_df, model, is_first_insert, render_kwargs, **kwargs):
        self.adapter.replace_query(table_name, query_or_df, model.columns_to_types)
        self.adapter.insert_append(table_name, query_or_df, target_columns_to_types=model.columns_to_types)
"""
RESTATED = ("by_time", "cut", "by_key", "by_partition", "python_key")
ROWS = {name: rows for name, (_, _, rows) in MODELS.items()} | {
    "seed": (2, 2, 2),
    **{f"python_{name}": rows for name, (_, _, rows) in BODIES.items()},
}


def lay_out(project: MeshProject, *, gateway: str = "lake") -> None:
    """Write the source and a model of each kind, to be built by a gateway's engine."""
    project.sql(
        "CREATE TABLE {raw}.s AS SELECT DATE '2026-11-01' + (i % 10)::INT AS day, i::BIGINT AS id,"
        " (i % 3)::INT AS g, 1::BIGINT AS v, TIMESTAMPTZ '2026-11-01 00:00:00+00' AS ts,"
        " {{'a': 1, 'b': [1.5::DECIMAL(5,2)]}} AS nest FROM range(100) r(i)"
    )
    project.model("embedded", "kind EMBEDDED", "SELECT g, v FROM {raw}.s")
    for name, (header, query, _) in MODELS.items():
        project.model(name, f"{header}, gateway {gateway}, start '2026-11-01'", query)
    for name, (kind, body, _) in BODIES.items():
        text = PYTHON.format(me=project.name, name=name, kind=kind, body=body, gateway=gateway)
        project.write(f"models/python_{name}.py", text)
    project.write("materializations/twice.py", CUSTOM)
    project.write("seeds/s.csv", "id,name\n1,a\n2,b\n")
    project.write(
        "models/seed.sql",
        f"MODEL (name {project.name}.seed, gateway {gateway}, kind SEED (path '../seeds/s.csv'),"
        " columns (id BIGINT, name TEXT));",
    )
    columns = "{day: DATE, id: BIGINT, g: INT, v: BIGINT, ts: TIMESTAMPTZ}"
    project.write("external_models/s.yaml", f"- name: lake.{project.raw}.s\n  columns: {columns}\n")


def check_rows(project: MeshProject, context: Any, time: int) -> None:
    """Count every model's rows by the name that people use: after the first plan, a run, a restatement."""
    found = {}
    for model in ROWS:
        found[model] = int(context.fetchdf(f"SELECT COUNT(*) AS n FROM {project.name}.{model}").n[0])
    assert found == {model: rows[time] for model, rows in ROWS.items()}


def check_nested(project: MeshProject, context: Any) -> None:
    """Read a struct with a list of decimals back as it went in."""
    value = context.fetchdf(f"SELECT nest FROM lake.{project.name}.view LIMIT 1").nest[0]
    assert value["a"] == 1
    assert [float(item) for item in value["b"]] == [1.5]


def check_later_runs(project: MeshProject, context: Any) -> None:
    """Run over new and changed rows, then restate: new rows are there once, changes close old versions."""
    grow(project, context)
    check_rows(project, context, 1)
    closed = context.fetchdf(f"SELECT COUNT(valid_to) AS closed FROM {project.name}.scd")
    assert int(closed.closed[0]) == 3
    restate(project, context, *RESTATED)
    check_rows(project, context, 2)


def grow(project: MeshProject, context: Any) -> None:
    """Add five rows of a new day to the source, change three of its rows, and run."""
    project.sql(
        "INSERT INTO {raw}.s SELECT DATE '2026-12-24', 1000 + i, 1, 1, TIMESTAMPTZ '2026-12-24 00:00:00+00',"
        " NULL FROM range(5) r(i)"
    )
    project.sql("UPDATE {raw}.s SET v = 5, ts = TIMESTAMPTZ '2026-12-24 00:00:00+00' WHERE id < 3")
    context.run(execution_time="2026-12-31", end="2026-12-30")


def restate(project: MeshProject, context: Any, *models: str) -> None:
    """Evaluate all intervals of models again."""
    project.plan(
        context,
        restate_models=[f"{project.name}.{model}" for model in models],
        start="2026-11-01",
        end="2026-12-30",
        execution_time="2026-12-31",
    )


LACKING = {
    "managed": ("kind MANAGED", "managed"),
    "materialized": ("kind VIEW (materialized true)", "materialized"),
    "granted": ("kind FULL, grants ('select' = ['somebody'])", "grants"),
    "cases": (
        """kind INCREMENTAL_BY_UNIQUE_KEY (unique_key one, when_matched (
            WHEN MATCHED AND source.one = 1 THEN DELETE
            WHEN MATCHED THEN UPDATE SET target.one = source.one))""",
        "one WHEN MATCHED",
    ),
}


def check_refused(project: MeshProject, context: Any, lacking: dict[str, tuple[str, str]]) -> None:
    """Plan models (header and the reason to be named) that no plan may apply, and take them away again."""
    from sqlmesh.utils.errors import SQLMeshError

    for name, (header, _) in lacking.items():
        project.model(name, header, "SELECT 1::INT AS one")
    context.load()
    with pytest.raises(SQLMeshError, match="nothing was applied") as raised:
        project.plan(context, "dev_lacking")
    for name, (_, reason) in lacking.items():
        assert re.search(rf"\.{name}: [^;]*{reason}", str(raised.value)), name
        (project.project.root / "models" / f"{name}.sql").unlink()
    assert context.state_reader.get_environment("dev_lacking") is None
    context.load()

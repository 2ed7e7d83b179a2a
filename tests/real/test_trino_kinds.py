"""Every model kind on Trino, by stock SQLMesh, beside DuckDB models of the same plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project
from tests.stack.test_mesh_kinds import ROWS, counts, lay_out

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def project(trino_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give the project of `test_mesh_kinds`, its models on Trino, and one on DuckDB that reads them."""
    with mesh_project(tmp_path_factory.mktemp("kinds"), trino_lake, tasks=2) as project:
        lay_out(project, gateway="trino")
        project.model("on_duckdb", "kind FULL", "SELECT COUNT(*)::BIGINT AS n FROM {me}.nested")
        project.model(
            "back_on_trino", "kind VIEW, gateway trino", "SELECT n::BIGINT AS n FROM {me}.on_duckdb"
        )
        yield project


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Give the planned project."""
    context = project.context()
    project.plan(context)
    yield context
    context.close()


def test_a_model_of_each_kind_has_the_rows_that_duckdb_gives_it(project: MeshProject, context: Any) -> None:
    """What the first plan built on Trino, read by DuckDB."""
    assert counts(project, context) == {model: rows[0] for model, rows in ROWS.items()}


def test_models_of_both_engines_read_each_other_s_tables(project: MeshProject, context: Any) -> None:
    """A table of DuckDB over views of Trino, and a view of Trino over that table."""
    assert int(context.fetchdf(f"SELECT n FROM {project.name}.on_duckdb").n[0]) == 3
    assert int(context.fetchdf(f"SELECT n FROM {project.name}.back_on_trino").n[0]) == 3


def test_a_later_run_and_a_restatement_leave_the_same_rows_as_on_duckdb(
    project: MeshProject, context: Any
) -> None:
    """New rows arrive once in each kind; a restatement repeats nothing."""
    project.sql(
        "INSERT INTO {raw}.s SELECT DATE '2026-12-24', 1000 + i, 1, 1, TIMESTAMPTZ '2026-12-24 00:00:00+00',"
        " NULL FROM range(5) r(i)"
    )
    project.sql("UPDATE {raw}.s SET v = 5, ts = TIMESTAMPTZ '2026-12-24 00:00:00+00' WHERE id < 3")
    context.run(execution_time="2026-12-31", end="2026-12-30")
    assert counts(project, context) == {model: rows[1] for model, rows in ROWS.items()}
    restated = [f"{project.name}.{model}" for model in ("by_time", "cut", "by_key", "by_partition")]
    project.plan(
        context, restate_models=restated, start="2026-11-01", end="2026-12-30", execution_time="2026-12-31"
    )
    assert counts(project, context) == {model: rows[2] for model, rows in ROWS.items()}


def test_nothing_of_a_publish_stays_beside_the_tables(project: MeshProject, context: Any) -> None:
    """No stage, no copy, no view for audits."""
    from lake.catalog.open import open_catalog
    from lake.catalog.tables import list_tables
    from lake.catalog.views import list_views

    catalog, schema = open_catalog(project.settings), f"sqlmesh__{project.name}"
    names = [str(name) for name in (*list_tables(catalog, schema), *list_views(catalog, schema))]

    assert names
    assert [
        name for name in names if any(w in name for w in ("__stage_", "__copy_", "__after_", "temp_"))
    ] == []

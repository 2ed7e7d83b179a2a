"""Every model kind on Trino, by stock SQLMesh, beside DuckDB models of the same plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project
from tests.fakes.model_kinds import (
    LACKING,
    check_later_runs,
    check_nested,
    check_refused,
    check_rows,
    lay_out,
)

pytestmark = pytest.mark.real

CASES = """kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id, when_matched (
    WHEN MATCHED AND source.v = 5 THEN DELETE
    WHEN MATCHED THEN UPDATE SET target.v = source.v))"""
REFUSED = ("managed", "materialized", "granted")


@pytest.fixture(scope="module")
def project(trino_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project with a model of each kind on Trino, and one on DuckDB that reads them."""
    with mesh_project(tmp_path_factory.mktemp("kinds"), trino_lake, tasks=2) as project:
        lay_out(project, gateway="trino")
        query = "SELECT s.id::BIGINT AS id, s.v::BIGINT AS v FROM {raw}.s AS s"
        project.model("cases", f"{CASES}, gateway trino, start '2026-11-01'", query)
        project.model("on_duckdb", "kind FULL", "SELECT COUNT(*)::BIGINT AS n FROM {me}.nested")
        project.model(
            "back_on_trino", "kind VIEW, gateway trino", "SELECT n::BIGINT AS n FROM {me}.on_duckdb"
        )
        yield project


def test_a_model_of_each_kind_has_the_rows_that_duckdb_gives_it(project: MeshProject, context: Any) -> None:
    """What the first plan built on Trino, read by DuckDB."""
    check_rows(project, context, 0)


def test_models_of_both_engines_read_each_other_s_tables(project: MeshProject, context: Any) -> None:
    """A table of DuckDB over views of Trino, and a view of Trino over that table."""
    assert int(context.fetchdf(f"SELECT n FROM {project.name}.on_duckdb").n[0]) == 3
    assert int(context.fetchdf(f"SELECT n FROM {project.name}.back_on_trino").n[0]) == 3


def test_a_later_run_and_a_restatement_leave_the_same_rows_as_on_duckdb(
    project: MeshProject, context: Any
) -> None:
    """New rows arrive once in each kind; a restatement repeats nothing."""
    check_later_runs(project, context)


def test_a_merge_of_several_cases_works_here(project: MeshProject, context: Any) -> None:
    """DuckDB's takes one WHEN MATCHED. Three rows have changed to 5 by now: those went, five came."""
    found = context.fetchdf(f"SELECT COUNT(*) AS n, MIN(v) AS low, MAX(v) AS top FROM {project.name}.cases")
    assert found.iloc[0].tolist() == [102, 1, 1]


def test_nested_types_come_back_as_they_went_in(project: MeshProject, context: Any) -> None:
    """A struct with a list of decimals, written by Trino, read by DuckDB."""
    check_nested(project, context)


def test_what_trino_lacks_is_refused_before_anything_is_applied(project: MeshProject, context: Any) -> None:
    """The plan names each model and what to do instead; no environment comes of it."""
    lacking = {name: (f"{LACKING[name][0]}, gateway trino", LACKING[name][1]) for name in REFUSED}
    check_refused(project, context, lacking)


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

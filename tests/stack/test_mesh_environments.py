"""Environments are views in the catalog: promotion is a pointer and moves no data (I4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.catalog.open import open_catalog
from lake.catalog.views import list_views, load_view
from lake.errors import BadInputError, RefusedError, UnavailableError
from lake.mesh.session import open_session
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.mesh import MeshProject, mesh_project, write_endpoints

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_environments")]

FULL = "SELECT g::INT AS g, COUNT(*)::BIGINT AS n{more} FROM {{raw}}.s GROUP BY g"


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project of a FULL model and a view on it."""
    with mesh_project(tmp_path_factory.mktemp("environments"), stack) as project:
        project.sql("CREATE TABLE {raw}.s AS SELECT (i % 3)::INT AS g, i::BIGINT AS v FROM range(99) r(i)")
        project.model(
            "counts",
            "kind FULL, description 'Rows by group', column_descriptions (n = 'Rows')",
            FULL.format(more=""),
        )
        project.model("big", "kind VIEW", "SELECT c.g, c.n FROM {me}.counts AS c WHERE c.n > 1")
        yield project


def files(project: MeshProject) -> set[str]:
    """Return every data file that a snapshot of a physical table of the project names."""
    schema = f"sqlmesh__{project.name}"
    names = project.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'")
    return {
        row[0]
        for (name,) in names
        for row in project.sql(f"SELECT file_path FROM iceberg_metadata(lake.{schema}.{name})")
    }


def test_a_view_lists_its_columns_in_both_dialects_and_runs_as_its_owner(
    project: MeshProject, context: Any
) -> None:
    """What Trino needs: no star, a trino text, trino.run-as-owner; comments come along."""
    view = load_view(open_catalog(project.settings), TableName(schema=project.name, name="counts"))
    assert view is not None
    table = '"."'.join(project.physical(context, "counts"))
    assert view.sql["trino"] == f'SELECT "g", "n" FROM "lake"."{table}"'
    assert set(view.sql) == {"duckdb", "trino"}
    assert view.columns == ("g", "n")
    assert view.properties["trino.run-as-owner"]
    assert view.properties["comment"] == "Rows by group"


def test_an_environment_copies_nothing_and_prod_stays_as_it_is(project: MeshProject, context: Any) -> None:
    """A dev environment of unchanged models adds views and not one file."""
    before = files(project)
    project.plan(context, "dev_same", include_unmodified=True)
    assert files(project) == before
    with open_session(project.settings) as session:
        same = session.query(f"SELECT SUM(n) AS n FROM {project.name}.counts", environment="dev_same")
    assert same.to_pylist() == [{"n": 99}]


def test_a_change_shows_in_its_environment_first_and_in_prod_once_it_is_promoted(
    project: MeshProject, context: Any
) -> None:
    """Another session, opened before, sees the promotion at its next query; promotion writes no file."""
    project.model(
        "counts", "kind FULL, description 'Rows by group'", FULL.format(more=", MAX(v)::BIGINT AS top")
    )
    context.load()
    with open_session(project.settings) as session:
        sql = f"SELECT * FROM {project.name}.counts"
        project.plan(context, "dev_change")
        assert session.query(sql).column_names == ["g", "n"]
        assert session.query(sql, environment="dev_change").column_names == ["g", "n", "top"]
        built = files(project)
        view = TableName(schema=project.name, name="counts")
        uuid = load_view(open_catalog(project.settings), view).uuid  # type: ignore[union-attr]
        project.plan(context)
        assert files(project) == built
        assert session.query(sql).column_names == ["g", "n", "top"]
        assert load_view(open_catalog(project.settings), view).uuid == uuid, "replaced in place"  # type: ignore[union-attr]


def test_table_diff_compares_two_environments(project: MeshProject, context: Any) -> None:
    """Stock table_diff finds the rows that a changed model changed."""
    project.model(
        "counts", "kind FULL, description 'Rows by group'", FULL.format(more=", MAX(v)::BIGINT AS top")
    )
    context.load()
    project.plan(context, "prod")
    project.model(
        "counts", "kind FULL, description 'Rows by group'", FULL.format(more=", MAX(v + g)::BIGINT AS top")
    )
    context.load()
    project.plan(context, "dev_diff")
    [diff] = context.table_diff(
        "prod",
        "dev_diff",
        on=["g"],
        select_models={f"{project.name}.counts"},
        show=False,
        skip_grain_check=True,
    )
    assert diff.row_diff().stats["join_count"] == 3
    assert diff.row_diff().full_match_count == 1, "only group 0 has the same maximum"


def test_a_dropped_environment_leaves_no_view(project: MeshProject, context: Any) -> None:
    """Invalidate and janitor take the views of the environment away and leave prod's."""
    project.plan(context, "dev_gone", include_unmodified=True)
    context.invalidate_environment("dev_gone", sync=True)
    context.run_janitor(ignore_ttl=True)
    catalog = open_catalog(project.settings)
    assert list_views(catalog, f"{project.name}__dev_gone") == ()
    assert {view.name for view in list_views(catalog, project.name)} == {"counts", "big"}


def test_the_session_refuses_to_write(project: MeshProject, context: Any) -> None:
    """Neither a write nor two statements nor an unknown environment gets through."""
    with open_session(project.settings) as session:
        for sql in (f"DELETE FROM {project.name}.counts", "DROP TABLE raw.x", "SET threads = 1"):
            with pytest.raises(RefusedError):
                session.query(sql)
        with pytest.raises(BadInputError):
            session.query("SELECT 1; SELECT 2")
        with pytest.raises(BadInputError, match="no environment"):
            session.query("SELECT 1", environment="nowhere")


def test_a_service_that_is_gone_is_named_with_the_next_step(project: MeshProject, stack: Settings) -> None:
    """SQLMesh prints PostgreSQL or the catalog and `lake up`; no traceback, no secret."""
    from sqlmesh.utils.errors import SQLMeshError

    catalog, postgres = stack.catalog, stack.postgres
    write_endpoints(
        project.project,
        stack.model_copy(update={"postgres": postgres.model_copy(update={"port": 1})}),
        database=project.name,
    )
    with pytest.raises(SQLMeshError, match=r"(?s)postgres.*lake up"):
        project.plan(project.context())
    write_endpoints(project.project, stack, database=project.name, catalog_uri="http://127.0.0.1:1")
    with pytest.raises(SQLMeshError, match=r"(?s)catalog.*lake up") as raised:
        project.context().fetchdf(f"SELECT * FROM {project.name}.counts")
    assert catalog.client_secret.get_secret_value() not in str(raised.value)
    down = stack.model_copy(update={"catalog": catalog.model_copy(update={"uri": "http://127.0.0.1:1"})})
    with pytest.raises(UnavailableError, match="catalog"), open_session(down) as session:
        session.query("SELECT 1")
    write_endpoints(project.project, stack, database=project.name)

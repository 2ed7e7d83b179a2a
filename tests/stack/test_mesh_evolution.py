"""A forward-only model's table changes in place, in one commit; values survive where Iceberg lets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.mesh.hidden import HIDDEN, read_hidden
from lake.mesh.session import open_session
from lake.settings import Settings
from tests.fakes.forward_only import WIDE, columns, query
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_kinds")]

HEADER = (
    "kind INCREMENTAL_BY_TIME_RANGE (time_column day, forward_only true, on_destructive_change {loss},"
    " on_additive_change {gain}), start '2026-11-01', description 'Rows by day',"
    " column_descriptions (n = 'How many'), partitioned_by (year(day), truncate(2, tag)),"
    " physical_properties ('write.parquet.compression-codec' = 'gzip')"
)


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project with a forward-only model for each policy."""
    with mesh_project(tmp_path_factory.mktemp("evolution"), stack) as project:
        project.sql("CREATE TABLE {raw}.s AS SELECT DATE '2026-11-01' AS day, 7::BIGINT AS v")
        yield project


def change(
    project: MeshProject, context: Any, environment: str | None = None, **models: tuple[str, str, str]
) -> None:
    """Give models new queries (policy for loss, policy for gain, query) and plan them."""
    for name, (loss, gain, text) in models.items():
        project.model(name, HEADER.format(loss=loss, gain=gain), text)
    context.load()
    project.plan(context, environment)


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Plan every model as it is at first."""
    context = project.context()
    change(
        project,
        context,
        wide=("error", "allow", query()),
        careful=("error", "error", query()),
        lax=("ignore", "ignore", query()),
        lossy=("allow", "allow", query()),
    )
    yield context
    context.close()


def test_description_partitions_and_properties_of_a_model_are_its_tables(
    project: MeshProject, context: Any
) -> None:
    """Iceberg docs on table and column; transforms; a property of the model wins over ours."""
    table = project.table(context, "wide")
    assert table.properties["comment"] == "Rows by day"
    assert table.schema().find_field("n").doc == "How many"
    assert [str(part.transform) for part in table.spec().fields] == ["year", "truncate[2]"]
    assert table.properties["write.parquet.compression-codec"] == "gzip"


def test_a_wider_type_keeps_the_values_and_new_columns_and_members_are_empty(
    project: MeshProject, context: Any
) -> None:
    """INT to BIGINT, more digits, a member of a struct in a list, a column: all in one commit."""
    before = len(project.table(context, "wide").metadata.metadata_log)
    change(project, context, wide=("error", "allow", query(**WIDE)))
    table = project.table(context, "wide")
    row = context.fetchdf(f"SELECT n, d, st, extra FROM {project.name}.wide").to_dict("records")[0]
    assert (row["n"], float(row["d"]), row["st"][0]["a"], row["st"][0]["b"]) == (7, 7.0, 1, None)
    assert row["extra"] is None or row["extra"] != row["extra"]
    assert str(table.schema().find_field("n").field_type) == "long"
    assert str(table.schema().find_field("d").field_type) == "decimal(14, 2)"
    assert len(table.metadata.metadata_log) == before + 1
    assert table.schema().find_field("n").doc == "How many"


def test_a_change_that_a_policy_forbids_is_refused_by_the_plan(project: MeshProject, context: Any) -> None:
    """`error` stops the plan before anything is applied; a widening counts as a gain, not as a loss."""
    from sqlmesh.utils.errors import PlanError

    before = columns(project, context, "careful")
    for text, reason in ((query(**WIDE), "additive"), (query(n="TEXT"), "destructive")):
        with pytest.raises(PlanError, match=reason):
            change(project, context, careful=("error", "error", text))
    change(project, context, careful=("error", "error", query()))
    assert columns(project, context, "careful") == before


def test_a_change_that_a_policy_ignores_leaves_the_table_as_it_is(project: MeshProject, context: Any) -> None:
    """The model runs on: the columns that both have are filled."""
    before = columns(project, context, "lax")
    change(
        project,
        context,
        lax=("ignore", "ignore", query(more=", 'x'::TEXT AS extra").replace(" AS d,", " AS dd,")),
    )
    assert columns(project, context, "lax") == before
    project.plan(context, restate_models=[f"{project.name}.lax"], start="2026-11-01", end="2026-11-01")
    assert context.fetchdf(f"SELECT n, d FROM {project.name}.lax").isna().sum().to_dict() == {"n": 0, "d": 1}


def test_a_dropped_column_stays_readable_as_long_as_a_view_names_it(
    project: MeshProject, context: Any, stack: Settings
) -> None:
    """Another environment keeps reading it; prod's view and the model do without; then it goes."""
    project.plan(context, "dev_old", include_unmodified=True)
    change(project, context, lossy=("allow", "allow", query().replace(", v::DECIMAL(10, 2) AS d", "")))
    assert read_hidden(project.table(context, "lossy").properties[HIDDEN]) == {"d"}
    with open_session(project.settings) as session:
        sql = f"SELECT * FROM {project.name}.lossy"
        assert "d" not in session.query(sql).column_names
        assert float(session.query(sql, environment="dev_old").to_pylist()[0]["d"]) == 7.0
    project.plan(context, restate_models=[f"{project.name}.lossy"], start="2026-11-01", end="2026-11-01")
    assert "d" in columns(project, context, "lossy")
    context.invalidate_environment("dev_old", sync=True)
    project.plan(context, restate_models=[f"{project.name}.lossy"], start="2026-11-01", end="2026-11-01")
    assert "d" not in columns(project, context, "lossy")


def test_a_column_that_comes_back_is_empty(project: MeshProject, context: Any) -> None:
    """Hidden and wanted again before it was dropped: the old values don't show."""
    project.plan(context, "dev_keeps", include_unmodified=True)
    without = query().replace(", v::DECIMAL(10, 2) AS d", "").replace("v::INT AS n, ", "")
    change(project, context, lossy=("allow", "allow", without))
    assert read_hidden(project.table(context, "lossy").properties[HIDDEN]) == {"n"}
    change(
        project,
        context,
        lossy=("allow", "allow", without.replace("'tag' AS tag", "'tag' AS tag, v::INT AS n")),
    )
    assert context.fetchdf(f"SELECT n FROM {project.name}.lossy").isna().all().all()

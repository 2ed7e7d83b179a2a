"""A forward-only model on Trino changes its table as one on DuckDB does: in place, in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.mesh.hidden import HIDDEN, read_hidden
from lake.settings import Settings
from tests.fakes.forward_only import WIDE, columns, query
from tests.fakes.mesh import MeshProject, mesh_project
from tests.real.engines import read

pytestmark = pytest.mark.real

HEADER = (
    "kind INCREMENTAL_BY_TIME_RANGE (time_column day, forward_only true, on_destructive_change allow,"
    " on_additive_change allow), start '2026-11-01', gateway trino"
)


@pytest.fixture(scope="module")
def project(trino_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project with two forward-only models on Trino."""
    with mesh_project(tmp_path_factory.mktemp("evolution"), trino_lake) as project:
        project.sql("CREATE TABLE {raw}.s AS SELECT DATE '2026-11-01' AS day, 7::BIGINT AS v")
        yield project


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Plan both as they are at first."""
    for name in ("wide", "lossy"):
        project.model(name, HEADER, query())
    context = project.context()
    project.plan(context)
    yield context
    context.close()


def change(project: MeshProject, context: Any, name: str, text: str) -> None:
    project.model(name, HEADER, text)
    context.load()
    project.plan(context)


def test_a_wider_type_keeps_the_values_and_new_columns_and_members_are_empty(
    project: MeshProject, context: Any
) -> None:
    """INT to BIGINT, more digits, a member of a struct in a list, a column: all in one commit."""
    before = len(project.table(context, "wide").metadata.metadata_log)
    change(project, context, "wide", query(**WIDE))

    found = columns(project, context, "wide")
    assert (found["n"], found["d"]) == ("long", "decimal(14, 2)")
    assert len(project.table(context, "wide").metadata.metadata_log) == before + 1
    rows = read(project.settings, f"SELECT n, d, extra FROM lake.{project.name}.wide")
    assert [(n, float(d), extra) for n, d, extra in rows] == [(7, 7.0, None)]
    members = context.fetchdf(f"SELECT st FROM {project.name}.wide").st[0][0]
    assert (members["a"], members["b"]) == (1, None)


def test_a_dropped_column_stays_readable_as_long_as_a_view_names_it(
    project: MeshProject, context: Any
) -> None:
    """Another environment keeps reading it, on both engines; prod does without; then it goes."""

    def restate() -> None:
        restated = [f"{project.name}.lossy"]
        project.plan(context, restate_models=restated, start="2026-11-01", end="2026-11-01")

    project.plan(context, "dev_old", include_unmodified=True)
    change(project, context, "lossy", query().replace(", v::DECIMAL(10, 2) AS d", ""))

    assert read_hidden(project.table(context, "lossy").properties[HIDDEN]) == {"d"}
    [(old,)] = read(project.settings, f"SELECT d FROM lake.{project.name}__dev_old.lossy")
    assert float(old) == 7.0
    assert "d" not in context.fetchdf(f"SELECT * FROM {project.name}.lossy").columns
    restate()
    assert "d" in columns(project, context, "lossy")
    context.invalidate_environment("dev_old", sync=True)
    restate()
    assert "d" not in columns(project, context, "lossy")

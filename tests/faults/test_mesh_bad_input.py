"""What goes wrong in the middle of a plan: a clear error, no harm, and the next plan heals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.errors import BadInputError
from lake.mesh.publish import Publication
from lake.mesh.session import open_session
from lake.settings import Settings
from tests.fakes.catalog_proxy import CatalogProxy, Fault, catalog_proxy
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_bad_input")]

QUERY = "SELECT g::INT AS g, COUNT(*)::BIGINT AS n FROM {raw}.s GROUP BY g"


class World:
    """A project whose catalog is behind a proxy that may send every request twice."""

    def __init__(self, project: MeshProject, proxy: CatalogProxy) -> None:
        self.project, self.proxy = project, proxy
        self.context: Any = None


@pytest.fixture(scope="module")
def world(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Plan a table and a view; each POST of the plan reaches the catalog twice, at every step."""
    with (
        catalog_proxy(stack.catalog.uri, mark=b"") as (proxy, address),
        mesh_project(tmp_path_factory.mktemp("bad"), stack, catalog_uri=address) as project,
    ):
        project.sql("CREATE TABLE {raw}.s AS SELECT (i % 3)::INT AS g FROM range(99) r(i)")
        project.model("counts", "kind FULL", QUERY, audits="not_null(columns := (g, n))")
        project.model("over", "kind VIEW", "SELECT g FROM {raw}.s")
        yield World(project, proxy)


def test_a_plan_whose_every_request_is_sent_twice_succeeds(world: World) -> None:
    """Creating schemas, tables and views, altering, publishing and tidying: the second answer goes back."""
    world.context = world.project.context()
    world.proxy.arm(*[Fault.TWICE] * 10_000)
    world.project.plan(world.context)
    world.project.plan(world.context, restate_models=[f"{world.project.name}.counts"])
    assert len(world.proxy.seen) > 5
    world.proxy.arm()
    found = world.context.fetchdf(f"SELECT SUM(n) AS n FROM {world.project.name}.counts")
    assert int(found.n[0]) == 99


def test_a_publish_is_not_begun_when_its_attempt_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is gone in mid-plan: the table stays, the error names it, and the same command heals."""
    from sqlmesh.utils.errors import PlanError

    project, context = world.project, world.context
    table = ".".join(project.physical(context, "counts"))
    before = project.sql(f"SELECT * FROM lake.{table} ORDER BY g")
    project.sql("INSERT INTO {raw}.s VALUES (0)")
    services = context.engine_adapter.runtime.services
    control = services.control
    begin = Publication.begin

    def too_late(self: Publication, *args: Any) -> None:
        services.control = control.model_copy(update={"port": 1})
        begin(self, *args)

    monkeypatch.setattr(Publication, "begin", too_late)
    with pytest.raises(PlanError):
        project.plan(context, restate_models=[f"{project.name}.counts"])
    monkeypatch.undo()
    services.control = control
    assert project.sql(f"SELECT * FROM lake.{table} ORDER BY g") == before
    project.plan(context, restate_models=[f"{project.name}.counts"])
    assert project.sql(f"SELECT SUM(n) FROM lake.{table}") == [(100,)]


def test_a_model_with_a_syntax_error_is_named_and_nothing_is_planned(world: World) -> None:
    """The file stands in the message; the models that are planned stay readable."""
    from sqlmesh.utils.errors import SQLMeshError

    world.project.write(
        "models/broken.sql", f"MODEL (name {world.project.name}.broken, kind FULL);\nSELECT 1 AS FROM ("
    )
    with pytest.raises(SQLMeshError, match=r"broken\.sql"):
        world.context.load()
    (world.project.project.root / "models" / "broken.sql").unlink()
    world.context.load()
    assert int(world.context.fetchdf(f"SELECT SUM(n) AS n FROM {world.project.name}.counts").n[0]) == 100


def test_a_view_on_a_dropped_table_says_so_and_works_again_when_the_table_is_back(world: World) -> None:
    """The message names the view and the table, also for who reads past SQLMesh; nothing else breaks."""
    from sqlmesh.utils.errors import SQLMeshError

    project = world.project
    project.sql("DROP TABLE {raw}.s")
    said = rf"{project.name}\.over reads {project.name}_raw\.s, which does not exist"
    with pytest.raises(SQLMeshError, match=rf"(?s){said}.*put .* back"):
        world.context.fetchdf(f"SELECT * FROM {project.name}.over")
    with open_session(project.settings) as session, pytest.raises(BadInputError, match=said):
        session.query(f"SELECT * FROM {project.name}.over")
    assert int(world.context.fetchdf(f"SELECT SUM(n) AS n FROM {project.name}.counts").n[0]) == 100
    project.sql("CREATE TABLE {raw}.s AS SELECT 1::INT AS g")
    assert len(world.context.fetchdf(f"SELECT * FROM {project.name}.over")) == 1

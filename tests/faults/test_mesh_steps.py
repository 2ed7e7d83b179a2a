"""The catalog misbehaves at any step of a plan: it succeeds, or says what failed, and the next one heals.

Each round changes a model and a table's columns in an environment, promotes both, refreshes the model and
drops the environment; one request of the round meets one fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lake.catalog.open import open_catalog
from lake.catalog.views import list_views
from lake.errors import LakeError
from lake.mesh.context import WarmContext
from lake.mesh.session import open_session
from lake.mesh.stamps import STAMP
from lake.settings import Settings
from tests.fakes.catalog_proxy import CatalogProxy, Fault, Step, catalog_proxy
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_steps")]

GROUPS, ROWS = 3, 99
PATIENCE = 4.0  # of the project's catalog clients; a late answer comes after it
COUNTS = "SELECT g::INT AS g, COUNT(*)::BIGINT AS n, {round}::INT AS round FROM {{raw}}.s GROUP BY g"
GROWING = "SELECT g::INT AS g{columns} FROM {{raw}}.s GROUP BY g"
FORWARD = "kind INCREMENTAL_BY_UNIQUE_KEY (unique_key g, forward_only true), start '2026-01-01'"


def step(method: str, path: str, body: str = "", *, without: str = "") -> Step:
    """Return a test of requests: how the path ends and what the body holds, as patterns."""

    def meant(used: str, place: str, sent: bytes) -> bool:
        text = sent.decode("utf-8", "replace")
        return bool(
            used == method
            and re.search(rf"/{path}$", place.split("?", maxsplit=1)[0])
            and re.search(body, text)
            and not (without and re.search(without, text))
        )

    return meant


STEPS: dict[str, Step] = {
    "creating a schema": step("POST", "namespaces"),
    "creating a table": step("POST", "tables"),
    "publishing": step("POST", r"tables/[^/]+", re.escape(STAMP)),
    "tidying": step("POST", r"tables/[^/]+", r'"operation":\s*"replace"'),
    "changing columns": step("POST", r"tables/[^/]+", "add-schema", without=re.escape(STAMP)),
    "creating a view": step("POST", "views"),
    "replacing a view": step("POST", r"views/[^/]+"),
    "reading a view": step("GET", r"views/[^/]+"),
    "reading a table": step("GET", r"tables/[^/]+"),
    "dropping a view": step("DELETE", r"views/[^/]+"),
}
# The rest is for `make soak`: a round takes seconds.
QUICK = {("creating a table", Fault.STATUS_500_AFTER), ("replacing a view", Fault.DROP_AFTER)}
CASES = [
    pytest.param(
        name, fault, marks=[] if (name, fault) in QUICK else [pytest.mark.slow], id=f"{name}: {fault.name}"
    )
    for name in STEPS
    for fault in Fault
    if fault is not Fault.STRAGGLER  # of a publish only: test_mesh_publish_lost_answers
]


class World:
    """A planned project behind a proxy; rounds are numbered."""

    def __init__(self, project: MeshProject, proxy: CatalogProxy, direct: Settings) -> None:
        self.project, self.proxy, self.direct, self.round = project, proxy, direct, 0
        self.warm = WarmContext(project.project)
        self.write()

    def write(self) -> None:
        self.project.model("counts", "kind FULL", COUNTS.format(round=self.round))
        columns = "".join(f", {number}::INT AS c{number}" for number in range(self.round + 1))
        self.project.model("growing", FORWARD, GROWING.format(columns=columns))

    def whole_round(self) -> None:
        """Do all that a change goes through, from its environment to prod."""
        environment, counts = f"dev_f{self.round}", f"{self.project.name}.counts"
        with self.warm.use() as context:
            self.project.plan(context, environment, include_unmodified=True)
        with self.warm.use() as context:
            self.project.plan(context)
        with self.warm.use() as context:
            self.project.plan(context, restate_models=[counts])
        with self.warm.use() as context:
            if context.state_reader.get_environment(environment) is not None:
                context.invalidate_environment(environment, sync=True)

    def read(self) -> tuple[int, int, int]:
        """Return groups, rows and round of the model as a reader past the proxy sees it in prod."""
        with open_session(self.direct) as session:
            sql = f"SELECT COUNT(*) AS a, SUM(n)::INT AS b, MAX(round) AS c FROM {self.project.name}.counts"
            [row] = session.query(sql).to_pylist()
        return row["a"], row["b"], row["c"]


@pytest.fixture(scope="module")
def world(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Plan the project once, with nothing in the way."""
    impatient = stack.model_copy(
        update={"catalog": stack.catalog.model_copy(update={"timeout_seconds": PATIENCE})}
    )
    with (
        catalog_proxy(stack.catalog.uri, mark=b"") as (proxy, address),
        mesh_project(tmp_path_factory.mktemp("steps"), impatient, catalog_uri=address) as project,
    ):
        proxy.late = PATIENCE * 1.5
        project.sql(f"CREATE TABLE {{raw}}.s AS SELECT (i % {GROUPS})::INT AS g FROM range({ROWS}) r(i)")
        world = World(project, proxy, stack)
        with world.warm.use() as context:
            project.plan(context)
        yield world
        world.warm.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "fault"), CASES)
def test_a_fault_at_any_step_leaves_old_or_new_and_the_next_plan_heals(
    world: World, name: str, fault: Fault
) -> None:
    """Readers see the round before or this one; an error names what it was about and the next step."""
    world.round += 1
    world.write()
    world.proxy.arm(fault, step=STEPS[name])
    failed: LakeError | None = None
    try:
        world.whole_round()
    except LakeError as error:
        failed = error
    assert failed is None or (world.project.name in failed.message and failed.hint), failed
    assert world.proxy.seen == [fault], "the round meets the step"
    assert world.read() in {(GROUPS, ROWS, world.round - 1), (GROUPS, ROWS, world.round)}
    world.whole_round()
    assert world.read() == (GROUPS, ROWS, world.round)
    with world.warm.use() as context:
        grown = context.fetchdf(f"SELECT * FROM {world.project.name}.growing")
    assert (len(grown), f"c{world.round}" in grown.columns) == (GROUPS, True)
    dropped = f"{world.project.name}__dev_f{world.round}"
    assert list_views(open_catalog(world.project.settings), dropped) == ()

"""A publish whose COMMIT gets no honest answer (design §4 step 5, I3, I5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.control import AttemptState, read_attempts
from lake.mesh.stamps import STAMP
from lake.settings import Settings
from tests.fakes.catalog_proxy import CatalogProxy, Fault, catalog_proxy
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_lost_answers")]

HEADER = "kind INCREMENTAL_BY_TIME_RANGE (time_column day), partitioned_by (month(day)), cron '@daily'"
QUERY = """\
SELECT s.day::DATE AS day, COUNT(*)::BIGINT AS n, SUM(s.v)::BIGINT AS v
FROM {raw}.s AS s WHERE s.day BETWEEN @start_date AND @end_date GROUP BY s.day"""


class Bench:
    """One planned project behind one proxy, used by all tests of the file."""

    def __init__(self, project: MeshProject, proxy: CatalogProxy, context: Any) -> None:
        self.project, self.proxy, self.context = project, proxy, context
        self.table = ".".join(project.physical(context, "daily"))

    def change_source(self) -> int:
        """Make every source row worth one more; return the sum that the model should then have."""
        self.project.sql("UPDATE {raw}.s SET v = v + 1")
        return int(self.project.sql("SELECT SUM(v) FROM {raw}.s")[0][0])

    def restate(self) -> None:
        self.project.plan(
            self.context, restate_models=[f"{self.project.name}.daily"], start="2026-01-01", end="2026-01-10"
        )

    def total(self) -> tuple[int, int]:
        """Return rows and sum as a fresh reader sees them; reads every data file."""
        rows = self.project.sql(f"SELECT COUNT(*), SUM(v) FROM lake.{self.table}")
        return int(rows[0][0]), int(rows[0][1])

    def states(self) -> list[AttemptState]:
        """Return the states of the table's attempts, newest first."""
        return [a.state for a in read_attempts(self.project.settings.postgres, self.table)]


@pytest.fixture(scope="module")
def bench(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Plan a project of ten days through the proxy."""
    with (
        catalog_proxy(stack.catalog.uri, mark=STAMP.encode()) as (proxy, address),
        mesh_project(tmp_path_factory.mktemp("mesh"), stack, catalog_uri=address) as project,
    ):
        project.sql(
            "CREATE TABLE {raw}.s AS SELECT DATE '2026-01-01' + (i % 10)::INT AS day, 1::BIGINT AS v"
            " FROM range(1000) r(i)"
        )
        project.model("daily", HEADER, QUERY, audits="not_null(columns := (day, n, v))")
        context = project.context()
        project.plan(context)
        yield Bench(project, proxy, context)
        context.close()


@pytest.mark.parametrize(
    "fault", [Fault.DROP_AFTER, Fault.STATUS_500_AFTER, Fault.STATUS_503_AFTER, Fault.TWICE]
)
def test_a_commit_that_landed_but_was_reported_failed_is_not_repeated(bench: Bench, fault: Fault) -> None:
    """The stamp is read back: the plan succeeds, the table is readable and new, one attempt landed."""
    wanted, before = bench.change_source(), len(bench.states())
    bench.proxy.arm(fault)
    bench.restate()
    assert bench.proxy.seen == [fault]
    assert bench.total() == (10, wanted)
    assert bench.states()[: len(bench.states()) - before] == [AttemptState.LANDED]


@pytest.mark.parametrize("fault", [Fault.STATUS_409_BEFORE, Fault.DROP_BEFORE, Fault.STATUS_503_BEFORE])
def test_a_commit_that_never_arrived_is_made_again_as_a_whole(bench: Bench, fault: Fault) -> None:
    """The stamp is missing: the interval is evaluated again and lands under a new attempt."""
    wanted, before = bench.change_source(), len(bench.states())
    bench.proxy.arm(fault, fault, fault, fault)
    bench.restate()
    assert bench.proxy.seen
    assert bench.total() == (10, wanted)
    new = bench.states()[: len(bench.states()) - before]
    assert new[0] is AttemptState.LANDED
    assert set(new[1:]) <= {AttemptState.CONFLICT}


def test_a_commit_that_arrives_after_it_was_given_up_is_not_made_twice(bench: Bench) -> None:
    """A model that appends: the first try lands while the second one commits, and counts as the publish."""
    project, context = bench.project, bench.context
    project.model("log", "kind INCREMENTAL_UNMANAGED, start '2026-01-01'", "SELECT day, v FROM {raw}.s")
    context.load()
    bench.proxy.arm(*[Fault.DROP_BEFORE] * 3, Fault.STRAGGLER)  # DuckDB itself sends it four times
    project.plan(context)
    assert bench.proxy.seen[-1] is Fault.STRAGGLER
    table = ".".join(project.physical(context, "log"))
    assert project.sql(f"SELECT COUNT(*) FROM lake.{table}") == project.sql("SELECT COUNT(*) FROM {raw}.s")
    states = [a.state for a in read_attempts(project.settings.postgres, table)]
    assert states == [AttemptState.CONFLICT, AttemptState.LANDED], "newest first"


def test_an_outcome_that_cannot_be_read_back_is_found_out_by_the_next_plan(bench: Bench) -> None:
    """The catalog dies after it applied the commit: the plan fails and says so, the next one settles it."""
    from sqlmesh.utils.errors import PlanError

    wanted, before = bench.change_source(), len(bench.states())
    bench.proxy.arm(Fault.DROP_AFTER)
    bench.proxy.die_after = True
    services = bench.context.engine_adapter.runtime.services
    short = services.settings.engine.model_copy(update={"publish_seconds": 1.0})
    services.settings = services.settings.model_copy(update={"engine": short})
    with pytest.raises(PlanError):
        bench.restate()
    bench.proxy.dead = bench.proxy.die_after = False
    assert bench.states()[0] is AttemptState.UNKNOWN
    assert bench.total() == (10, wanted), "it had landed: the table is whole and new"
    bench.restate()
    assert bench.total() == (10, wanted)
    assert bench.states()[: len(bench.states()) - before] == [AttemptState.LANDED, AttemptState.LANDED]

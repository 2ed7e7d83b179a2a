"""Deploying contracts to live tables: what follows, what is fenced off, and what a crash leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ingest.deploy.history import find_deployed
from ingest.deploy.plan import Kind
from ingest.landing import run_streams
from ingest.positions import read_positions
from ingest.tables import find_routing, open_raw, quarantine_name, raw_name
from lake.broker import describe_topic
from lake.catalog import LakeCatalog, TableState, load_table, open_catalog
from lake.catalog.views import load_view
from lake.contracts import Contract, ContractMovedError, check_fence
from lake.contracts.fence import CONTRACT, DEPLOYING, ROUTING, mark
from lake.contracts.routing import Label, from_text
from lake.control import migrate, read_contracts
from lake.errors import RefusedError
from lake.settings import Settings
from lake.types import Offset, Partition, TableName
from tests.fakes.catalog_proxy import Fault, catalog_proxy
from tests.fakes.deployed import WIDER, deploy, majors, version
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = pytest.mark.stack


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    migrate(lake_settings.postgres)
    return TopicWorld(lake_settings)


def table(settings: Settings, name: TableName) -> TableState:
    state = load_table(open_catalog(settings), name)
    assert state is not None
    return state


def test_a_table_with_rows_follows_its_contract_and_keeps_its_column_ids(world: TopicWorld) -> None:
    """Columns are added and widened in one commit; old and new rows are read together; again is nothing."""
    world.produce(150)
    run_streams(world.settings, [world.contract])
    before = table(world.settings, raw_name(world.settings.landing, world.contract)).handle.schema()
    new = version(world.contract, *WIDER)

    assert deploy(world.settings, new) is Kind.CHANGE
    assert deploy(world.settings, new) is Kind.NOTHING
    world.produce(150)
    report = run_streams(world.settings, [new])

    state = table(world.settings, raw_name(world.settings.landing, new))
    after = state.handle.schema()
    assert {f.name: f.field_id for f in before.fields}.items() <= {
        f.name: f.field_id for f in after.fields
    }.items()
    assert [str(after.find_type(n)) for n in ("week", "sales_value", "till")] == [
        "long",
        "decimal(14, 2)",
        "string",
    ]
    assert after.fields[-1].name == "meta"
    assert sum(landed(report)) == 150
    versions = [row["meta"]["schema_version"] for row in world.raw()]
    assert set(versions) == {"1.0.0", "1.1.0"}
    assert [r.version for r in read_contracts(world.settings.postgres)] == ["1.0.0", "1.1.0"]
    assert find_deployed(world.settings.postgres, new.stream, state.properties[CONTRACT]) == new


def test_landing_by_another_version_than_the_deployed_one_is_stopped(world: TopicWorld) -> None:
    """Before a deploy the new one is, after it the old one; nothing is written by either."""
    world.produce(100)
    run_streams(world.settings, [world.contract])
    new = version(world.contract, *WIDER)

    with pytest.raises(ContractMovedError, match=r"is held to 1\.0\.0"):
        run_streams(world.settings, [new])
    deploy(world.settings, new)
    world.produce(100)
    with pytest.raises(ContractMovedError, match=r"is held to 1\.1\.0") as caught:
        run_streams(world.settings, [world.contract])

    assert "lake contract deploy" in caught.value.hint
    assert len(world.raw()) + len(world.quarantined()) == 100


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.TWICE, Fault.STATUS_503_BEFORE])
def test_a_deploy_whose_answer_is_lost_or_wrong_is_done_once(world: TopicWorld, fault: Fault) -> None:
    """The columns are there once, whatever the catalog answered."""
    world.produce(50)
    run_streams(world.settings, [world.contract])
    new = version(world.contract, *WIDER)
    with catalog_proxy(world.settings.catalog.uri, mark=b"add-schema") as (proxy, uri):
        proxy.arm(fault)
        moved = world.settings.catalog.model_copy(update={"uri": uri, "timeout_seconds": 5})
        deploy(world.settings.model_copy(update={"catalog": moved}), new)

    assert proxy.seen == [fault]
    state = table(world.settings, raw_name(world.settings.landing, new))
    assert state.properties[CONTRACT] == mark(new)
    assert [f.name for f in state.handle.schema().fields].count("till") == 1
    world.produce(50)
    run_streams(world.settings, [new])
    assert len(world.raw()) + len(world.quarantined()) == 100


def test_a_breaking_change_is_refused_and_touches_nothing(world: TopicWorld) -> None:
    """The refusal names the change, and the next step is a new major version."""
    world.produce(50)
    run_streams(world.settings, [world.contract])
    state = table(world.settings, raw_name(world.settings.landing, world.contract))
    broken = version(world.contract, ("physicalType: decimal(12,2)", "physicalType: decimal(12,3)"))

    with pytest.raises(RefusedError, match=r"sales_value: decimal\(12,2\) → decimal\(12,3\)") as caught:
        deploy(world.settings, broken)

    assert "lake contract new transactions --major" in caught.value.hint
    assert table(world.settings, state.name).main == state.main
    assert [r.version for r in read_contracts(world.settings.postgres)] == ["1.0.0"]


class InterruptedDeployError(Exception):
    """Stands for a kill."""


class InterruptingCatalog(LakeCatalog):
    """Dies at one of its commits, before or after it is applied."""

    def __init__(self, settings: Settings, *, at: int, after: bool) -> None:
        self._left, self._after = at, after
        super().__init__(settings)

    def commit_table(self, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise InterruptedDeployError
        answer = super().commit_table(*args, **kwargs)
        if self._left == 0:
            raise InterruptedDeployError
        return answer


def test_a_deploy_that_is_cut_off_again_and_again_can_be_repeated(world: TopicWorld) -> None:
    """Killed before and after each of its commits, it ends with one routing in every table; nobody waits."""
    first, second = majors(world.contract)
    world.produce(120)
    run_streams(world.settings, [first])
    cut_off = 0
    while True:
        catalog = InterruptingCatalog(world.settings, at=1, after=cut_off % 2 == 1)
        try:
            if deploy(world.settings, second, first, catalog=catalog) is Kind.NOTHING:
                break
        except InterruptedDeployError:
            cut_off += 1

    assert cut_off == 2 * 5  # two tables wait, one begins, two tables learn the routing
    states = list(tables(world.settings, [first, second]))
    routing = from_text(states[0].properties[ROUTING], table="t")
    assert {state.properties[ROUTING] for state in states} == {states[0].properties[ROUTING]}
    assert not any(state.properties.get(DEPLOYING) for state in states)
    topic = describe_topic(world.settings.broker, first.topic)
    assert topic is not None
    stands = read_positions(states[0], cluster=world.settings.broker.cluster, topic_id=topic.id)
    since = {p: position.offset for p, position in stands.items()}
    assert next(m.since for m in routing.members if m.stream == second.stream) == since
    assert check_fence("t", states[0].properties, first, routing)
    assert load_view(open_catalog(world.settings), TableName(
        schema=world.settings.landing.raw_schema, name=f"{second.stream}_all")) is not None  # fmt: skip


def tables(settings: Settings, contracts: Sequence[Contract]) -> Iterator[TableState]:
    for contract in contracts:
        yield table(settings, raw_name(settings.landing, contract))
        yield table(settings, quarantine_name(settings.landing, contract))


def test_while_a_version_joins_the_writers_of_the_topic_wait(world: TopicWorld) -> None:
    """Cut off in the middle, landing is told to wait, not to go on or to start again."""
    first, second = majors(world.contract)
    world.produce(60)
    run_streams(world.settings, [first])
    catalog = InterruptingCatalog(world.settings, at=2, after=True)
    with pytest.raises(InterruptedDeployError):
        deploy(world.settings, second, first, catalog=catalog)

    with pytest.raises(ContractMovedError, match=r"waits for the deploy of transactions_v2") as caught:
        open_raw(open_catalog(world.settings), world.settings.landing, first)
    assert caught.value.deploying
    with pytest.raises(RefusedError, match="was cut off") as refused:
        deploy(world.settings, version(first, *WIDER), second)
    assert refused.value.hint == "lake contract deploy transactions_v2"


def test_a_version_that_joins_owns_nothing_that_lies_before_it(world: TopicWorld) -> None:
    """Labels of the new version count from where the tables stood; before that they are the old one's."""
    first, second = majors(world.contract)
    world.produce(60)
    run_streams(world.settings, [first])
    deploy(world.settings, second, first)

    routing = from_text(
        table(world.settings, raw_name(world.settings.landing, first)).properties[ROUTING], table="t"
    )
    cut = next(m.since for m in routing.members if m.stream == second.stream)[Partition(0)]
    new = Label(major=2)
    assert routing.owner(new, Partition(0), Offset(cut - 1)).stream == first.stream
    assert routing.owner(new, Partition(0), cut).stream == second.stream
    third = replace(second, stream="transactions_v3", version="3.0.0")
    with pytest.raises(RefusedError, match="shares topic"):
        find_routing(open_catalog(world.settings), world.settings.landing, third, [first, second, third])


def test_a_batch_that_was_read_before_a_deploy_is_not_committed_after_it(world: TopicWorld) -> None:
    """The writer staged on the old schema loses its commit, looks, reads again, and lands by the new one."""
    world.produce(150)
    run_streams(world.settings, [world.contract])
    world.produce(150)
    slow = SlowDeployCatalog(world)

    report = run_streams(world.settings, [world.contract], catalog=slow)

    assert sum(landed(report)) == 150
    rows = world.raw()
    versions = [r["meta"]["schema_version"] for r in rows]
    assert versions.count("1.0.0") + versions.count("1.1.0") == len(rows)
    assert versions.count("1.1.0") > 0
    coordinates = {(r["meta"]["partition"], r["meta"]["offset"]) for r in rows}
    refused = {(r["partition"], r["offset"]) for r in world.quarantined()}
    assert len(coordinates) == len(rows)
    assert coordinates | refused == set(world.log())
    assert coordinates & refused == set()


class SlowDeployCatalog(LakeCatalog):
    """Deploys another version right before its first commit of data is sent."""

    def __init__(self, world: TopicWorld) -> None:
        self._world = world
        self.new = version(world.contract, *WIDER)
        self._deployed = False
        super().__init__(world.settings)

    def commit_table(self, *args: Any, **kwargs: Any) -> Any:
        if not self._deployed:
            self._deployed = True
            deploy(self._world.settings, self.new)
        return super().commit_table(*args, **kwargs)

"""Crashes, lost answers, zombies and rolled back tables: each record still lands once, or landing stops."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from ingest.batch import Batch
from ingest.landing import run_streams
from ingest.positions import property_key
from ingest.tables import open_raw
from lake.broker import create_topic, describe_topic
from lake.catalog import (
    Conflict,
    Landed,
    TableState,
    commit,
    drop_table,
    load_table,
    open_catalog,
)
from lake.clock import Deadline, SystemClock
from lake.errors import HistoryError, OutcomeUnknownError, UnavailableError
from lake.settings import Settings
from lake.types import Partition, TableName
from tests.fakes.catalog_proxy import CatalogProxy, Fault, ServerError, catalog_proxy
from tests.fakes.crashing_catalog import CrashingCatalog
from tests.fakes.hands import Hands
from tests.fakes.killed import KilledError
from tests.fakes.topic_world import TopicWorld, landed, record

pytestmark = pytest.mark.stack


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    return TopicWorld(lake_settings)


def deadline() -> Deadline:
    return Deadline.after(30, SystemClock())


def state(world: TopicWorld) -> TableState:
    name = TableName(schema=world.settings.landing.raw_schema, name=world.contract.stream)
    found = load_table(open_catalog(world.settings), name)
    assert found is not None
    return found


def test_a_second_run_lands_nothing_and_later_records_land_once(world: TopicWorld) -> None:
    """The position is the table's, so a run knows what has landed."""
    world.produce(800)
    first = run_streams(world.settings, [world.contract])
    assert sum(landed(first)) == 800
    again = run_streams(world.settings, [world.contract])
    assert landed(again) == (0, 0)
    assert again[0].was_idle
    world.produce(150)
    assert sum(landed(run_streams(world.settings, [world.contract]))) == 150
    world.check()
    assert state(world).rows == len(world.raw())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4], ids=["quarantine", "table", "quarantine-2", "table-2"])
def test_a_crash_around_a_commit_loses_and_doubles_nothing(
    world: TopicWorld, *, at: int, after: bool
) -> None:
    """Commits alternate: quarantine, table, quarantine, table."""
    world.poison_every = 20  # so that every batch has some, however the polls cut it
    world.produce(1200)
    settings = world.settings.model_copy(
        update={"landing": world.settings.landing.model_copy(update={"commit_rows": 300})}
    )
    with pytest.raises(KilledError):
        run_streams(settings, [world.contract], catalog=CrashingCatalog(settings, at=at, after=after))
    world.produce(100)
    run_streams(settings, [world.contract])
    world.check()


@pytest.fixture
def proxied(world: TopicWorld) -> Iterator[tuple[CatalogProxy, Settings]]:
    with catalog_proxy(world.settings.catalog.uri, mark=b"ingest.commit") as (proxy, uri):
        moved = world.settings.catalog.model_copy(update={"uri": uri, "timeout_seconds": 5})
        yield proxy, world.settings.model_copy(update={"catalog": moved})


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_a_commit_whose_answer_is_lost_or_wrong_lands_once(
    world: TopicWorld, proxied: tuple[CatalogProxy, Settings], fault: Fault
) -> None:
    """The same run goes on: it reads the stamp back, and no file of a live snapshot is deleted."""
    proxy, settings = proxied
    world.produce(300)
    proxy.arm(fault, fault)  # the quarantine's commit and the table's
    run_streams(settings, [world.contract])
    assert proxy.seen
    world.check()
    world.produce(50)
    run_streams(settings, [world.contract])
    world.check()


def test_no_error_of_a_server_says_whether_a_commit_landed(
    world: TopicWorld, proxied: tuple[CatalogProxy, Settings]
) -> None:
    """502 and 504, applied or not: as 500 and 503, each is an open question that the table answers."""
    proxy, settings = proxied
    world.produce(300)
    proxy.arm(*ServerError)
    small = settings.landing.model_copy(update={"commit_rows": 60})
    run_streams(settings.model_copy(update={"landing": small}), [world.contract])
    assert proxy.seen == list(ServerError)
    world.check()


def test_an_outcome_that_stays_unknown_ends_the_run_and_the_next_one_completes_it(
    world: TopicWorld, proxied: tuple[CatalogProxy, Settings]
) -> None:
    """The catalog applies the commit and is never heard of again: nothing may be taken for lost."""
    proxy, settings = proxied
    world.poison_every = 10**9
    world.produce(100)
    proxy.die_after = True
    proxy.arm(Fault.DROP_AFTER)
    short = settings.model_copy(
        update={"landing": settings.landing.model_copy(update={"deadline_seconds": 1.5})}
    )
    with pytest.raises(OutcomeUnknownError):
        run_streams(short, [world.contract])
    assert landed(run_streams(world.settings, [world.contract])) == (0, 0)
    world.check()


def test_a_zombie_that_wakes_after_another_landed_its_batch_adds_nothing(world: TopicWorld) -> None:
    """Its commit loses against main, its positions are moved, its rows stay out."""
    world.produce(400)
    zombie = Hands(world.settings, world.contract)
    batch = zombie.read()
    run_streams(world.settings, [world.contract])
    written = zombie.writer.land(batch)
    assert (written.landed, written.quarantined) == (0, 0)
    assert set(written.moved) == set(batch.ranges)
    world.check()


def test_a_zombie_that_woke_between_quarantine_and_table_adds_nothing(world: TopicWorld) -> None:
    """The quarantine's position is a fence of its own."""
    world.produce(400)
    zombie = Hands(world.settings, world.contract)
    batch = zombie.read()
    with pytest.raises(KilledError):
        run_streams(
            world.settings, [world.contract], catalog=CrashingCatalog(world.settings, at=1, after=True)
        )
    assert set(zombie.writer.land(batch).moved) == set(batch.ranges)
    run_streams(world.settings, [world.contract])
    world.check()


def test_a_record_that_another_refused_unseen_is_not_refused_twice(world: TopicWorld) -> None:
    """The writer sees the other's quarantine by a conflict over another partition: no news to its reading."""
    world.poison_every = 10
    world.produce(300)
    first, second = Hands(world.settings, world.contract), Hands(world.settings, world.contract)
    mine, others = first.read(), second.read()
    zero, one = Partition(0), Partition(1)

    def only(batch: Batch, partition: Partition) -> Batch:
        return replace(
            batch, ranges={partition: batch.ranges[partition]}, parts={partition: batch.parts[partition]}
        )

    second.tables.catalog = CrashingCatalog(world.settings, at=1, after=True)
    with pytest.raises(KilledError):  # it refuses records of partition 0 and dies before it lands the others
        second.writer.land(only(others, zero))
    assert first.writer.land(only(mine, one)).moved == ()
    assert first.writer.land(only(mine, zero)).moved == (zero,)
    run_streams(world.settings, [world.contract])
    world.check()


def test_a_foreign_commit_in_between_is_no_reason_to_write_the_rows_again(world: TopicWorld) -> None:
    """A real conflict: positions did not move, so the same files go on top of the new main, once."""
    world.produce(300)
    hands = Hands(world.settings, world.contract)
    batch = hands.read()
    foreign = commit(
        hands.tables.catalog, state(world), files=(), properties={"owner": "x"}, deadline=deadline()
    )
    assert isinstance(foreign, Landed)
    written = hands.writer.land(batch)
    assert written.moved == ()
    assert written.landed + written.quarantined == 300
    assert state(world).properties["owner"] == "x"
    world.check()


def test_partitions_that_others_moved_are_dropped_and_the_rest_lands(world: TopicWorld) -> None:
    """The decision is per partition, because no file mixes them."""
    world.poison_every = 10**9
    world.produce(300)
    slow, fast = Hands(world.settings, world.contract), Hands(world.settings, world.contract)
    batch, other = slow.read(), fast.read()
    first = Partition(0)
    fast.writer.land(replace(other, ranges={first: other.ranges[first]}, parts={first: other.parts[first]}))
    written = slow.writer.land(batch)
    assert written.moved == (first,)
    assert set(written.positions) == {Partition(1), Partition(2)}
    assert landed(run_streams(world.settings, [world.contract])) == (0, 0)
    world.check()


def test_two_runs_at_once_land_each_record_once(world: TopicWorld) -> None:
    """Nobody elects a leader: the catalog's comparison of main decides every batch."""
    world.produce(3000)
    settings = world.settings.model_copy(
        update={"landing": world.settings.landing.model_copy(update={"commit_rows": 500})}
    )
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_streams, settings, [world.contract]) for _ in range(2)]
        total = sum(sum(landed(run.result())) for run in runs)
    assert total == 3000
    world.check()


def test_a_table_that_was_rolled_back_stops_landing(world: TopicWorld) -> None:
    """Properties survive a rollback of main: landing on would lose the rows in between."""
    world.produce(100)
    run_streams(world.settings, [world.contract])
    before = state(world)
    world.produce(100)
    run_streams(world.settings, [world.contract])
    assert before.main is not None
    before.handle.refresh().manage_snapshots().rollback_to_snapshot(before.main).commit()
    world.produce(10)
    with pytest.raises(HistoryError, match="rolled the table back"):
        run_streams(world.settings, [world.contract])


def test_a_table_that_was_replaced_takes_nothing_of_a_batch_for_the_old_one(world: TopicWorld) -> None:
    """Same name, other uuid: whoever dropped it must say from where it is landed anew."""
    world.produce(100)
    hands = Hands(world.settings, world.contract)
    batch = hands.read()
    drop_table(hands.tables.catalog, hands.tables.raw.name)
    open_raw(hands.tables.catalog, world.settings.landing, world.contract)
    with pytest.raises(HistoryError, match="dropped or replaced"):
        hands.writer.land(batch)
    assert world.raw() == []


def test_expired_snapshots_are_no_rollback(world: TopicWorld) -> None:
    """Retention drops the snapshots that positions name; the sequence tells that the chain goes on."""
    world.poison_every = 10**9
    settings = world.settings.model_copy(
        update={"landing": world.settings.landing.model_copy(update={"retained_snapshots": 2})}
    )
    world.produce(60)
    run_streams(settings, [world.contract])
    catalog = open_catalog(settings)
    for number in range(4):
        outcome = commit(
            catalog, state(world), files=(), properties={"n": str(number)}, deadline=deadline(), retain=2
        )
        assert isinstance(outcome, Landed)
    assert len(state(world).ancestry) == 2
    assert state(world).truncated
    world.produce(60)
    assert landed(run_streams(settings, [world.contract])) == (60, 0)
    world.check()


def test_a_topic_made_anew_under_the_same_name_stops_landing(world: TopicWorld) -> None:
    """Its offsets begin again and mean other records."""
    world.produce(50)
    run_streams(world.settings, [world.contract])
    admin = AdminClient({"bootstrap.servers": world.settings.broker.bootstrap_servers})
    admin.delete_topics([world.topic])[world.topic].result()
    create_topic(world.settings.broker, world.contract.topic, partitions=3)
    with pytest.raises(HistoryError, match="topic id"):
        run_streams(world.settings, [world.contract])


def test_a_position_beyond_the_end_of_the_log_stops_landing(world: TopicWorld) -> None:
    """A log that was cut: reading from its start or its end would both be wrong."""
    world.produce(50)
    run_streams(world.settings, [world.contract])
    topic = describe_topic(world.settings.broker, world.contract.topic)
    assert topic is not None
    key = property_key(world.settings.broker.cluster, topic.id, Partition(1))
    present = state(world)
    moved = present.properties[key].replace('"offset": ', '"offset": 9')
    outcome = commit(
        open_catalog(world.settings), present, files=(), properties={key: moved}, deadline=deadline()
    )
    assert not isinstance(outcome, Conflict)
    with pytest.raises(HistoryError, match="landing stands at"):
        run_streams(world.settings, [world.contract])


@pytest.mark.parametrize("service", ["broker", "catalog", "storage"])
def test_a_service_that_is_down_is_named_and_the_next_run_completes(world: TopicWorld, service: str) -> None:
    """The message says which one and what to run; nothing is half done."""
    world.produce(60)
    nowhere = "127.0.0.1:1"
    change: dict[str, Any] = {
        "broker": {"bootstrap_servers": nowhere},
        "catalog": {"uri": f"http://{nowhere}"},
        "storage": {"endpoint": f"http://{nowhere}"},
    }[service]
    section = getattr(world.settings, service).model_copy(update=change)
    with pytest.raises(UnavailableError, match=service) as caught:
        run_streams(world.settings.model_copy(update={service: section}), [world.contract])
    assert caught.value.service == service
    assert "lake" in caught.value.hint
    run_streams(world.settings, [world.contract])
    world.check()


def test_a_time_that_no_calendar_has_stops_nothing(world: TopicWorld) -> None:
    """A producer that gives micro- or nanoseconds for milliseconds: its records land without a time."""
    producer = Producer({"bootstrap.servers": world.settings.broker.bootstrap_servers})
    good = record(0, datetime(2025, 1, 1, tzinfo=UTC), random.Random(1))
    for value in (good, b"not json"):
        for milliseconds in (1_700_000_000_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000):
            producer.produce(world.topic, value, partition=0, timestamp=milliseconds)
    assert producer.flush(30) == 0

    reports = run_streams(world.settings, [world.contract])

    assert landed(reports) == (3, 3)
    times = [None, None, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)]
    assert [r["meta"]["produced_at"] for r in sorted(world.raw(), key=lambda r: r["meta"]["offset"])] == times
    assert [r["produced_at"] for r in sorted(world.quarantined(), key=lambda r: r["offset"])] == times

"""Many streams in one process: one consumer, one bound on memory, and each stream for itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingest import feed
from ingest.landing import run_streams
from ingest.lateness import from_summary
from lake.broker import describe_topic
from lake.catalog import TableState, load_table, open_catalog
from lake.catalog.horizons import Horizon, read_horizons
from lake.errors import HistoryError
from lake.settings import Settings
from lake.types import Partition, TableName
from tests.fakes.topic_world import TopicWorld, landed, transactions

pytestmark = pytest.mark.stack


def worlds(settings: Settings, count: int, records: int) -> list[TopicWorld]:
    """Return topics of their own with their records."""
    made = []
    for number in range(count):
        name = f"s{number}"
        world = TopicWorld(settings, seed=number, contract=replace(transactions(), stream=name, topic=name))
        world.produce(records)
        made.append(world)
    return made


def tuned(settings: Settings, **changes: float) -> Settings:
    return settings.model_copy(update={"landing": settings.landing.model_copy(update=changes)})


def test_streams_share_a_consumer_and_each_lands_what_is_its_own(lake_settings: Settings) -> None:
    """Five topics of three partitions in one consumer: every record in its own table."""
    made = worlds(lake_settings, 5, 120)
    reports = run_streams(lake_settings, [w.contract for w in made])
    assert [sum(landed((r,))) for r in reports] == [120] * 5
    for world in made:
        world.check()


def test_a_stream_that_can_not_land_stops_alone(lake_settings: Settings) -> None:
    """One topic is missing and one table rolled back: the third lands, and the run fails."""
    gone = replace(transactions(), stream="gone", topic="gone")
    rolled, fine = worlds(lake_settings, 2, 60)
    run_streams(lake_settings, [rolled.contract, fine.contract])
    table = open_catalog(lake_settings).load_table((lake_settings.landing.raw_schema, "s0"))
    first = table.current_snapshot()
    assert first is not None
    for world in (rolled, fine):
        world.produce(30)
    run_streams(lake_settings, [rolled.contract])
    table.refresh().manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()
    with pytest.raises(HistoryError, match="gone"):
        run_streams(lake_settings, [gone, rolled.contract, fine.contract])
    with pytest.raises(HistoryError, match="rolled the table back"):
        run_streams(lake_settings, [rolled.contract, fine.contract])
    fine.check()


def test_little_memory_makes_smaller_commits_and_loses_nothing(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound reading pauses and the largest batch is committed early."""
    monkeypatch.setattr(feed, "_RECORDS_PER_POLL", 200)
    made = worlds(lake_settings, 2, 900)
    reports = run_streams(tuned(lake_settings, memory_bytes=100_000), [w.contract for w in made])
    assert sum(landed(reports)) == 1800
    assert sum(r.commits for r in reports) > 2 * len(reports)  # one of each table, had there been room
    for world in made:
        world.check()


def test_a_commit_says_up_to_when_each_partition_has_landed(lake_settings: Settings) -> None:
    """Newest event and the look at the log's end, of quiet partitions too; a later look is a commit alone."""
    (world,) = worlds(lake_settings, 1, 90)
    began = datetime.now(UTC)
    run_streams(lake_settings, [world.contract])
    first = horizons(world)
    assert set(first) == {0, 1, 2}
    newest = max(row["transaction_timestamp"] for row in world.raw())
    assert max(h.newest for h in first.values() if h.newest is not None) == newest
    assert all(h.looked is not None and h.looked >= began for h in first.values())
    assert run_streams(lake_settings, [world.contract])[0].commits == 0
    looking = tuned(lake_settings, look_seconds=0.001)
    assert (run_streams(looking, [world.contract])[0].was_idle, rows_of(world)) == (True, len(world.raw()))
    again = horizons(world)
    assert all((again[p].looked or began) > (first[p].looked or began) for p in first)
    assert all(again[p].newest == first[p].newest for p in first)
    assert from_summary(table_of(world).summary) is None  # a commit of no rows says nothing of lateness
    world.produce(30)
    run_streams(lake_settings, [world.contract])
    lateness = from_summary(table_of(world).summary)
    assert lateness is not None
    assert 0 < lateness.rows <= 30
    world.check()


def table_of(world: TopicWorld) -> TableState:
    name = TableName(schema=world.settings.landing.raw_schema, name=world.contract.stream)
    state = load_table(open_catalog(world.settings), name)
    assert state is not None
    return state


def rows_of(world: TopicWorld) -> int:
    return table_of(world).rows


def horizons(world: TopicWorld) -> dict[Partition, Horizon]:
    topic = describe_topic(world.settings.broker, world.contract.topic)
    assert topic is not None
    return read_horizons(table_of(world), cluster=world.settings.broker.cluster, topic_id=topic.id)

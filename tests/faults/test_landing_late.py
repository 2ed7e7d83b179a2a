"""Late records and times that lie ahead (fault 26): the right partition, and a bounded number of files."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

from ingest.landing import run_streams
from lake.broker.client import client_configuration
from lake.catalog import TableState, load_table, open_catalog
from lake.catalog.history import read_commits
from lake.catalog.live_files import read_live_files
from lake.contracts import PartitionBy, Transform
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.topic_world import PARTITIONS, TopicWorld, record, transactions

MOST = 30
SEED = 26
BY_DAY = replace(
    transactions(), partition=(PartitionBy(column="transaction_timestamp", transform=Transform.DAY),)
)


def produce_scattered(world: TopicWorld, count: int) -> None:
    """Write records of any day of two years, some of times to come, beside records of today."""
    producer = Producer(client_configuration(world.settings.broker))
    draw, today = random.Random(SEED), datetime.now(UTC).replace(microsecond=0)
    for number in range(count):
        days = draw.choice((0, draw.randrange(-700, 0), draw.randrange(1, 30)))
        value = record(number, today + timedelta(days=days), draw)
        producer.produce(world.topic, value, str(number), partition=draw.randrange(PARTITIONS))
    assert producer.flush(30) == 0
    world.produced += count


def table(world: TopicWorld) -> TableState:
    name = TableName(schema=world.settings.landing.raw_schema, name=world.contract.stream)
    state = load_table(open_catalog(world.settings), name)
    assert state is not None
    return state


@pytest.mark.stack
def test_records_of_many_days_land_in_their_days_with_a_bounded_number_of_files_a_commit(
    lake_settings: Settings,
) -> None:
    """Every record once, in the partition of its day, and no commit of more files than it may have."""
    print(f"seed {SEED}")  # noqa: T201
    landing = lake_settings.landing.model_copy(update={"commit_files": MOST})
    settings = lake_settings.model_copy(update={"landing": landing})
    world = TopicWorld(settings, contract=BY_DAY)
    produce_scattered(world, 150)

    (report,) = run_streams(settings, [BY_DAY])

    assert report.landed == 150
    world.check()
    state = table(world)
    added = [int(c.summary["added-data-files"]) for c in read_commits(state)]
    assert len(added) == report.commits > 2
    assert max(added) <= MOST
    for file in read_live_files(state).files:
        with state.handle.io.new_input(file.path).open() as stream:
            days = pc.unique(pq.read_table(stream)["transaction_timestamp"].cast("date32"))
        assert len(days) == 1
        assert file.path.split("/")[-2].endswith(f"={days[0].as_py()}")

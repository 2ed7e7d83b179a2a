"""The signal `landed` keeps an interval open while a partition of its stream lags behind it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from ingest.landing import run_streams
from lake.broker.client import client_configuration
from lake.catalog import open_catalog
from lake.catalog.horizons import PREFIX
from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project
from tests.fakes.topic_world import TopicWorld, record, transactions

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_signal")]

SIGNAL = Path(__file__).parents[2] / "signals" / "landed.py"


TODAY = datetime.combine(datetime.now(UTC), time(), UTC)


@pytest.fixture
def project(stack: Settings, tmp_path: Path) -> Iterator[MeshProject]:
    with mesh_project(tmp_path / "signal", stack) as project:
        project.write("signals/landed.py", SIGNAL.read_text(encoding="utf-8"))
        project.write("signals/__init__.py", "")
        yield project


def incremental(project: MeshProject, model: str, schema: str, event_time: str) -> None:
    """Write a model of the stream `s` that waits for it."""
    project.model(
        model,
        f"kind INCREMENTAL_BY_TIME_RANGE (time_column {event_time}), start '{days_ago(9):%Y-%m-%d}',"
        f" signals (landed(stream := s, event_time := {event_time}, schema := {schema}))",
        f"SELECT {event_time} FROM lake.{schema}.s WHERE {event_time} BETWEEN @start_dt AND @end_dt",
    )


def days_ago(days: float) -> datetime:
    return TODAY - timedelta(days=days)


def newest(context: Any, project: MeshProject, model: str) -> datetime:
    """Return the day of the newest row that the model holds."""
    query = f"SELECT MAX(COLUMNS(*))::DATE FROM {project.name}.{model}"
    return datetime.combine(context.engine_adapter.fetchone(query)[0], time(), UTC)


@pytest.mark.parametrize("kind", ["TIMESTAMPTZ", "DATE"])
def test_rows_tell_where_landing_says_nothing(project: MeshProject, kind: str) -> None:
    """An interval closes when every partition has a row of a later one."""
    begin = f"TIMESTAMPTZ '{days_ago(8)}'"
    project.sql(
        f"CREATE TABLE {{raw}}.s AS SELECT ({begin} + INTERVAL (i) HOUR)::{kind} AS happened,"
        " {{'partition': i % 2}} AS meta FROM range(120) r(i) WHERE i % 2 = 0 OR i < 60"
    )
    incremental(project, "rows", project.raw, "happened")
    context = project.context()
    project.plan(context)
    assert newest(context, project, "rows") == days_ago(7), "the third day is half there in partition 1"
    project.sql(f"INSERT INTO {{raw}}.s VALUES (({begin} + INTERVAL 3 DAY)::{kind}, {{{{'partition': 1}}}})")
    context.run()
    assert newest(context, project, "rows") == days_ago(6)
    context.close()


def test_an_idle_partition_closes_by_the_look_at_its_end_and_one_that_lags_holds_the_interval(
    project: MeshProject, lake_settings: Settings
) -> None:
    """By what landing itself has said; the partition that lags is one that nobody has read to its end yet."""
    world = TopicWorld(lake_settings, contract=replace(transactions(), stream="s", topic="s"))
    producer = Producer(client_configuration(lake_settings.broker))
    for number, (days, partition) in enumerate(((8, 0), (8, 1), (8, 2), (6, 0), (6, 1), (3, 0), (1, 0))):
        value = record(number, days_ago(days - 0.5), random.Random(number))
        producer.produce(world.topic, value, str(number), partition=partition)
    assert producer.flush(30) == 0
    run_streams(lake_settings, [world.contract])
    raw = lake_settings.landing.raw_schema
    table = open_catalog(lake_settings).load_table((raw, "s"))
    said = {key: text for key, text in table.properties.items() if key.startswith(PREFIX)}
    assert len(said) == 3

    def say(**horizon: str | None) -> None:
        last = {max(said): json.dumps({"newest": None, "looked": None, **horizon})}
        table.refresh().transaction().set_properties({**said, **last}).commit_transaction()

    say(newest=days_ago(5.5).isoformat())
    incremental(project, "landed", raw, "transaction_timestamp")
    context = project.context()
    project.plan(context)
    assert newest(context, project, "landed") == days_ago(8), "the lowest partition stands in the fourth day"
    say()
    context.run()
    assert newest(context, project, "landed") == days_ago(8), "a partition of which nothing is known holds"
    say(**json.loads(said[max(said)]))
    context.run()
    assert newest(context, project, "landed") == days_ago(1), "two partitions have been quiet for days"
    context.close()

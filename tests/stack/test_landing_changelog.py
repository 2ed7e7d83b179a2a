"""A changelog from the broker to the view of its latest rows, as people query it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer

from ingest.landing import run_streams
from lake.broker import create_topic
from lake.mesh.session import open_session
from lake.settings import Settings
from tests.fakes.topic_world import landed
from tests.property.test_landing_changelog import CDC

pytestmark = pytest.mark.stack


def produce(settings: Settings, *changes: tuple[int, dict[str, Any] | None]) -> None:
    """Write envelopes, None for a tombstone, to the partition of their key."""
    producer = Producer({"bootstrap.servers": settings.broker.bootstrap_servers})
    for key, change in changes:
        producer.produce(
            f"{settings.broker.topic_prefix}{CDC.topic}",
            None if change is None else json.dumps(change),
            json.dumps({"id": key}),
            partition=key % 2,
        )
    assert producer.flush(30) == 0


LATEST = [(0, "n0"), (1, "n1"), (2, "two"), (5, "n5")]


def land_people(settings: Settings) -> None:
    """Land inserts, updates and deletions in two commits; `LATEST` is what they leave."""
    create_topic(settings.broker, CDC.topic, partitions=2)
    contract = replace(CDC, description="People of a database.")
    produce(
        settings,
        *((n, {"op": "r", "after": {"id": n, "name": f"n{n}"}, "ts_ms": 1}) for n in range(6)),
        (2, {"op": "u", "before": {"id": 2}, "after": {"id": 2, "name": "two"}, "ts_ms": 2}),
    )
    assert landed(run_streams(settings, [contract])) == (7, 0)
    produce(
        settings,
        (3, {"op": "d", "before": {"id": 3}, "ts_ms": 3}),
        (3, None),
        (4, None),
        (2, {"op": "t", "ts_ms": 4}),
    )
    assert landed(run_streams(settings, [contract])) == (3, 1)


def test_the_latest_rows_of_a_changelog_can_be_queried_while_it_grows(lake_settings: Settings) -> None:
    """The table keeps all changes, the view what is left of them."""
    land_people(lake_settings)
    schema = lake_settings.landing.raw_schema
    with open_session(lake_settings) as session:
        latest = session.query(f"SELECT id, name FROM lake.{schema}.people_latest ORDER BY id").to_pylist()
        changes = session.query(
            f"SELECT meta.op AS op, count(*) AS n FROM lake.{schema}.people GROUP BY ALL ORDER BY op"
        ).to_pylist()
    assert [(row["id"], row["name"]) for row in latest] == LATEST
    assert {row["op"]: row["n"] for row in changes} == {"insert": 6, "update": 1, "delete": 3}

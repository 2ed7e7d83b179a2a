"""Transactions on Apache Kafka: what was aborted never lands, and what stands between is no gap."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer

from ingest.landing import run_streams
from tests.fakes.topic_world import TopicWorld, landed, record

pytestmark = pytest.mark.real


def test_an_aborted_transaction_never_lands(kafka_world: TopicWorld) -> None:
    """Only what was committed is read; the offsets that a transaction takes for itself are gaps."""
    world = kafka_world
    producer = Producer(
        {
            "bootstrap.servers": world.settings.broker.bootstrap_servers,
            "transactional.id": world.topic,
        }
    )
    producer.init_transactions(30)
    kept = []
    for number in range(6):
        producer.begin_transaction()
        value = record(number, datetime(2025, 1, 1, tzinfo=UTC), random.Random(number))
        producer.produce(world.topic, value, str(number), partition=0)
        producer.flush(30)
        if number % 2:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            kept.append(str(number))

    assert landed(run_streams(world.settings, [world.contract])) == (len(kept), 0)
    assert sorted(r["meta"]["key"] for r in world.raw()) == kept
    assert landed(run_streams(world.settings, [world.contract])) == (0, 0)


def test_an_open_transaction_holds_back_what_comes_after_it_and_then_lands(kafka_world: TopicWorld) -> None:
    """A run ends before it and says nothing landed beyond; once it is committed everything comes."""
    world = kafka_world
    producer = Producer(
        {
            "bootstrap.servers": world.settings.broker.bootstrap_servers,
            "transactional.id": world.topic,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    value = record(0, datetime(2025, 1, 1, tzinfo=UTC), random.Random(0))
    producer.produce(world.topic, value, "open", partition=0)
    assert producer.flush(30) == 0
    plain = Producer({"bootstrap.servers": world.settings.broker.bootstrap_servers})
    plain.produce(world.topic, value, "after", partition=0)
    assert plain.flush(30) == 0

    assert landed(run_streams(world.settings, [world.contract])) == (0, 0)
    producer.commit_transaction(30)
    assert landed(run_streams(world.settings, [world.contract])) == (2, 0)
    assert sorted(r["meta"]["key"] for r in world.raw()) == ["after", "open"]

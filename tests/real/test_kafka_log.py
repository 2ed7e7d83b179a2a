"""What happens to logs of Apache Kafka: retention, compaction, topics made anew, a broker that is killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import OFFSET_END, NewTopic

from ingest.landing import run_streams
from lake.broker import create_topic
from lake.errors import HistoryError, UnavailableError
from tests.fakes.topic_world import PARTITIONS, TopicWorld, landed
from tests.real.conftest import RunningKafka

pytestmark = pytest.mark.real

_PATIENCE_SECONDS = 120.0
_COMPACTS_AT_ONCE = {
    "cleanup.policy": "compact",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "200",
}


def admin(world: TopicWorld) -> AdminClient:
    return AdminClient({"bootstrap.servers": world.settings.broker.bootstrap_servers})


def until(fact: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not fact():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.5)


def test_a_log_whose_retention_passed_the_position_stops_landing(kafka_world: TopicWorld) -> None:
    """The broker deleted records that never landed: said with their number, nothing goes on beyond them."""
    world = kafka_world
    world.produce(90)
    run_streams(world.settings, [world.contract])
    before = len(world.raw())
    world.produce(90)
    ends = [TopicPartition(world.topic, p, OFFSET_END) for p in range(PARTITIONS)]
    client = admin(world)
    for deleted in client.delete_records(ends).values():
        deleted.result(30)

    with pytest.raises(HistoryError, match="records are gone") as caught:
        run_streams(world.settings, [world.contract])

    assert "retention" in caught.value.hint
    assert len(world.raw()) == before


def test_a_topic_made_anew_on_kafka_stops_landing(kafka_world: TopicWorld) -> None:
    """Its offsets begin again and mean other records."""
    world = kafka_world
    world.produce(60)
    run_streams(world.settings, [world.contract])
    client = admin(world)
    client.delete_topics([world.topic])[world.topic].result(30)
    until(lambda: world.topic not in client.list_topics(timeout=10).topics)
    create_topic(world.settings.broker, world.contract.topic, partitions=PARTITIONS)

    with pytest.raises(HistoryError, match="topic id"):
        run_streams(world.settings, [world.contract])


def test_the_gaps_of_a_compacted_log_are_no_lost_records(kafka_world: TopicWorld) -> None:
    """Whatever the cleaner left is there once, and the position moves over what it took."""
    settings = kafka_world.settings
    compacted = settings.broker.model_copy(update={"topic_prefix": f"{settings.broker.topic_prefix}c."})
    world = TopicWorld(settings.model_copy(update={"broker": compacted}))
    recreate(world)
    world.produce(300)
    world.produced = 0  # the same keys once more, in the same partitions
    world.produce(300)

    def has_gaps() -> bool:
        world.produce(3)  # the cleaner leaves the newest segment alone
        return len(world.log()) < 600

    until(has_gaps)
    before = world.log().keys()
    run_streams(world.settings, [world.contract])
    found = [(r["meta"]["partition"], r["meta"]["offset"]) for r in world.raw()]
    found += [(r["partition"], r["offset"]) for r in world.quarantined()]
    assert len(set(found)) == len(found)
    assert world.log().keys() <= set(found) <= before
    assert landed(run_streams(world.settings, [world.contract])) == (0, 0)


def recreate(world: TopicWorld) -> None:
    """Make the topic once more, as one that is compacted at once."""
    client = admin(world)
    client.delete_topics([world.topic])[world.topic].result()
    until(lambda: world.topic not in client.list_topics(timeout=10).topics)
    client.create_topics([NewTopic(world.topic, PARTITIONS, 1, config=_COMPACTS_AT_ONCE)])[
        world.topic
    ].result()


def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(
    kafka: RunningKafka, kafka_world: TopicWorld
) -> None:
    """Landing waits for it, or ends with its name and is started again, as its supervisor would."""
    world, ended = kafka_world, Event()
    quick = world.settings.landing.model_copy(update={"commit_seconds": 0.3})
    settings = world.settings.model_copy(update={"landing": quick})

    def supervise() -> None:
        while not ended.is_set():
            with suppress(UnavailableError):
                run_streams(settings, [world.contract], follow=True, stop=ended)

    world.produce(600)
    with ThreadPoolExecutor(1) as pool:
        supervised = pool.submit(supervise)
        try:
            until(lambda: len(world.raw()) > 0)
            kafka.restart()
            world.produce(600)
            until(lambda: len(world.raw()) + len(world.quarantined()) == world.produced)
        finally:
            ended.set()
    supervised.result()
    world.check()

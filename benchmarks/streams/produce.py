"""Fill topics: as fast as it goes, or at a steady rate that costs as little as possible."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Producer

from benchmarks.streams.records import as_json, writer
from lake.broker import create_topic
from lake.contracts import Contract
from lake.settings import Settings

PARTITIONS = 4
_AT_ONCE = 5_000
_TICK_SECONDS = 0.05
_BODIES = 40_000  # built ahead and sent again and again: building costs more than sending


def open_producer(settings: Settings, *, linger: int = 50) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.broker.bootstrap_servers,
            "linger.ms": linger,
            "batch.num.messages": 50_000,
            "queue.buffering.max.messages": 500_000,
        }
    )


def full_topic(settings: Settings, own: Contract) -> str:
    return f"{settings.broker.topic_prefix}{own.topic}"


def produce(settings: Settings, own: Contract, records: int, *, poison_every: int = 0) -> float:
    """Write records; returns their mean size in bytes."""
    create_topic(settings.broker, own.topic, partitions=PARTITIONS)
    producer, topic = open_producer(settings), full_topic(settings, own)
    write_one, size = writer(own), 0
    for begin in range(0, records, _AT_ONCE):
        bodies = [
            b"\xff" if poison_every and number % poison_every == poison_every // 2 else write_one(number)
            for number in range(begin, min(records, begin + _AT_ONCE))
        ]
        size += sum(map(len, bodies))
        send(producer, topic, bodies)
    assert producer.flush(120) == 0
    return size / records


def send(producer: Producer, topic: str, bodies: Sequence[bytes]) -> None:
    """Queue records, a part of them for each partition."""
    for partition in range(PARTITIONS):
        batch = [{"value": body} for body in bodies[partition::PARTITIONS]]
        if batch and producer.produce_batch(topic, batch, partition=partition) != len(batch):
            raise RuntimeError("the producer's queue is full")
    producer.poll(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """What a steady producer did; a rate below the one asked for is the machine's."""

    records: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds


def produce_steadily(producer: Producer, topic: str, *, rate: int, seconds: float) -> Steady:
    """Write JSON records at a rate, a part of it every tick; late ticks are made up for."""
    bodies = [as_json(number) for number in range(_BODIES)]
    total, sent, began = int(rate * seconds), 0, time.monotonic()
    while sent < total:
        due = min(total, int((time.monotonic() - began + _TICK_SECONDS) * rate))
        while sent < due:
            place = sent % _BODIES
            part = bodies[place : place + min(due - sent, _AT_ONCE)]
            send(producer, topic, part)
            sent += len(part)
        time.sleep(_TICK_SECONDS)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all records")
    return Steady(records=total, seconds=time.monotonic() - began)

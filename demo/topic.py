"""A topic as its source owns it: created with explicit settings, read at its end, written in order.

The end of a partition is the high watermark of a fetch response: the query for offsets is not right on
every broker that speaks this protocol.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from demo.errors import DemoError, ForeignLogError, UnavailableError
from demo.sequence import Batch

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # event times lie up to a year back
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
}
FETCHING = {
    "group.id": "demo-source",  # required by the client, never joined
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 50,
    "max.partition.fetch.bytes": 65_536,
}
PRODUCING = {
    "acks": "all",
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,  # a batch that failed must not be followed by a later one
    "compression.type": "lz4",
    "linger.ms": 50,
    "batch.num.messages": 20_000,
    "batch.size": 4_000_000,
    "queue.buffering.max.messages": 60_000,
    "queue.buffering.max.kbytes": 65_536,
    "delivery.timeout.ms": 30_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record as it stands in the log."""

    key: bytes | None
    value: bytes | None


class Topic:
    """One topic on one broker; `client` is what every librdkafka client needs to connect."""

    def __init__(self, client: Mapping[str, Any], name: str, *, partitions: int) -> None:
        self.client = {"log_level": 2, **client}
        self.name = name
        self.partitions = partitions

    def ensure(self) -> bool:
        """Create the topic unless it is there; True when it was missing.

        Raises ForeignLogError when it exists with another number of partitions.
        """
        with self._reachable():
            admin = AdminClient(self.client)
            known = admin.list_topics(timeout=CONNECT_SECONDS).topics.get(self.name)
            if known is None:
                new = NewTopic(self.name, self.partitions, -1, config=SETTINGS)
                admin.create_topics([new], operation_timeout=ANSWER_SECONDS)[self.name].result()
                return True
        if len(known.partitions) != self.partitions:
            raise ForeignLogError(
                f"topic {self.name} has {len(known.partitions)} partitions in place of {self.partitions}",
                hint="use another --topic-prefix, or delete that topic",
            )
        return False

    def ends(self) -> tuple[int, ...]:
        """Return how many records each partition holds."""
        places = [TopicPartition(self.name, partition, 0) for partition in range(self.partitions)]
        deadline = time.monotonic() + ANSWER_SECONDS
        with self._reachable(), self._consumer() as consumer:
            consumer.assign(places)
            while time.monotonic() < deadline:
                _raise_error(consumer.poll(0.05))
                highs = [consumer.get_watermark_offsets(place, cached=True)[1] for place in places]
                if min(highs) >= 0:  # before the first fetch response it is a negative mark
                    return tuple(highs)
        raise self._silence()

    def read(self, partition: int, offset: int) -> Found:
        """Read one record that is known to be there."""
        with self._reachable(), self._consumer() as consumer:
            consumer.assign([TopicPartition(self.name, partition, offset)])
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise self._silence()
            _raise_error(message)
            return Found(key=message.key(), value=message.value())

    def _silence(self) -> UnavailableError:
        return UnavailableError(f"{self.name}: no answer in {ANSWER_SECONDS:.0f} s", hint="lake status")

    @contextlib.contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer({**self.client, **FETCHING})
        try:
            yield consumer
        finally:
            consumer.close()

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise broker_error(error.args[0], self.client) from error


class Writer:
    """Append records of one topic, each once and in order; say so when the log grows by another hand.

    `ends` are the partitions' ends before the first record. Call `flush` before you rely on what was written.
    """

    def __init__(self, topic: Topic, ends: Sequence[int]) -> None:
        self._topic = topic
        self._producer = Producer({**topic.client, **PRODUCING})
        self._expected = list(ends)
        self._failure: DemoError | None = None

    def write(self, batch: Batch) -> None:
        """Queue a batch; waits while the queue is full. Raises what an earlier delivery met."""
        produce, name, report = self._producer.produce, self._topic.name, self._report
        rows = zip(batch.values, batch.keys, batch.partitions, batch.times, strict=True)
        for value, key, partition, at in rows:
            while True:
                try:
                    produce(name, value, key, partition, on_delivery=report, timestamp=at)
                    break
                except BufferError:
                    self._producer.poll(0.05)
                    self._check()
                except KafkaException as error:
                    raise broker_error(error.args[0], self._topic.client) from error
        self._producer.poll(0)
        self._check()

    def flush(self) -> tuple[int, ...]:
        """Wait until everything is acknowledged; returns the ends that this writer has reached."""
        left = self._producer.flush(PRODUCING["delivery.timeout.ms"] / 1000 + 5)  # type: ignore[operator]
        self._check()
        if left:
            raise UnavailableError(f"{self._topic.name}: {left} records not acknowledged", hint="lake status")
        return tuple(self._expected)

    def abandon(self) -> tuple[int, ...]:
        """Give what is queued a short time to arrive and return the ends that were acknowledged."""
        self._producer.flush(3)
        return tuple(self._expected)

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or broker_error(error, self._topic.client)
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        expected = self._expected[partition]
        self._expected[partition] = expected + 1
        # A negative offset: the broker had the batch already from before a lost answer and doesn't say where.
        if offset != expected and offset >= 0:
            self._failure = self._failure or ForeignLogError(
                f"{self._topic.name}/{partition}: record {expected} was written at offset {offset}:"
                " somebody else writes to this topic",
                hint="find the other producer; then use another --topic-prefix or delete the topic",
            )

    def _check(self) -> None:
        if self._failure is not None:
            self._producer.purge()
            raise self._failure


def _raise_error(message: Message | None) -> None:
    """Raise what a poll brought unless it is a record, nothing, or the end of a partition."""
    error = None if message is None else message.error()
    if error and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own name
        raise KafkaException(error)


def broker_error(error: KafkaError, client: Mapping[str, Any]) -> DemoError:
    """Say what the client met in the words of this program."""
    if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the client's own name
        return ForeignLogError(
            f"records at the start of a topic are gone: {error.str()}",
            hint="the source's topics must keep everything; use another --topic-prefix",
        )
    return UnavailableError(f"broker at {client['bootstrap.servers']}: {error.str()}", hint="lake status")

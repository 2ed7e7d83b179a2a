"""Read a topic's partitions from given offsets, as columns; nothing is ever reset silently."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from lake.broker.client import client_configuration, log, raise_mapped, to_lake_error
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from lake.types import Offset, Partition

IDEMPOTENCY_HEADER = "idempotency-key"

_QUERY_SECONDS = 10.0
_SILENCE_SECONDS = 15.0
_SESSION_MS = 10_000  # a member that died holds its partitions no longer than this
_MIB = 1024 * 1024
_LAST_MS = 253_402_300_799_999  # the end of year 9999, as far as Python and SQL count

_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001  librdkafka's own codes start with an underscore
_DOWN = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}  # noqa: SLF001

# The client's own annotations allow for messages that were never sent.
_partition_of: Callable[[Any], Any] = Message.partition
_offset_of: Callable[[Any], Any] = Message.offset
_headers_of: Callable[[Any], Any] = Message.headers

Assigned = Callable[[Sequence[Partition]], Mapping[Partition, Offset | None]]
Gone = Callable[[Sequence[Partition]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records of one partition as columns of equal length, in the order of the log.

    `produced` is in milliseconds since 1970, None where the broker knows no time or one that no
    calendar has: producers set it as they like, microseconds for example.
    `idempotency` is None when no record carries the header.
    """

    partition: Partition
    offsets: list[Offset]
    keys: list[bytes | None]
    values: list[bytes | None]
    produced: list[int | None]
    idempotency: list[str | None] | None = None

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one poll brought; `ended` names where the log ends for the partitions read to it."""

    chunks: tuple[Chunk, ...] = ()
    ended: Mapping[Partition, Offset]


class TopicReader:
    """One consumer of one topic; used by one thread.

    Raises UnavailableError when the brokers stay silent, HistoryError when the log no longer holds
    an offset asked for, ConfigurationError when the broker refuses us.
    """

    def __init__(
        self, settings: BrokerSettings, topic: str, *, group: str, max_poll_seconds: float = 300.0
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._down_since: float | None = None
        self._fatal: KafkaError | None = None
        self._consumer = Consumer(
            client_configuration(settings)
            | {
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "session.timeout.ms": _SESSION_MS,
                "max.poll.interval.ms": int(max_poll_seconds * 1000),
                "fetch.wait.max.ms": 500,
                "fetch.max.bytes": 32 * _MIB,
                "max.partition.fetch.bytes": 8 * _MIB,
                "queued.max.messages.kbytes": 48 * 1024,
                "fetch.queue.backoff.ms": 20,
                "fetch.error.backoff.ms": 100,
                "error_cb": self._on_error,
            }
        )

    def assign(self, positions: Mapping[Partition, Offset | None]) -> None:
        """Read these partitions from these offsets (None: from the log's start), outside of any group."""
        self._consumer.assign([self._at(p, offset) for p, offset in positions.items()])

    def subscribe(self, *, on_assigned: Assigned, on_revoked: Gone, on_lost: Gone) -> None:
        """Share the partitions with the group's other members.

        `on_assigned` answers with the offsets to start from; the callbacks run inside `poll`.
        """
        self._consumer.subscribe(
            [self._topic],
            on_assign=lambda _, parts: self.assign(on_assigned(_numbers(parts))),
            on_revoke=lambda _, parts: on_revoked(_numbers(parts)),
            on_lost=lambda _, parts: on_lost(_numbers(parts)),
        )

    def poll(self, *, records: int, seconds: float) -> Polled:
        """Wait up to `seconds` for up to `records` records."""
        try:
            messages: list[Any] = self._consumer.consume(records, seconds)
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action=f"read {self._topic}")
        ended: dict[Partition, Offset] = {}
        faults = list(map(Message.error, messages))
        if any(faults):
            ended = self._ended(messages)
            messages = [m for m, fault in zip(messages, faults, strict=True) if fault is None]
        by_partition = _by_partition(messages)
        if by_partition or ended:
            self._down_since = None
        self._check_alive()
        return Polled(
            chunks=tuple(_chunk(Partition(p), found) for p, found in by_partition.items()), ended=ended
        )

    def _ended(self, messages: list[Any]) -> dict[Partition, Offset]:
        """Return where logs end; raises what a message reports besides."""
        ended: dict[Partition, Offset] = {}
        for message in messages:
            fault = message.error()
            if fault is None:
                continue
            if fault.code() == _EOF:
                ended[Partition(message.partition())] = Offset(message.offset())
            elif not fault.retriable() and fault.code() not in _DOWN:
                place = f"{self._topic}/{message.partition()}"
                raise to_lake_error(fault, place=place, action="read")
        return ended

    def end(self, partition: Partition) -> Offset | None:
        """Return the offset that the next record will get; None while no fetch has answered.

        By `settings.end_offsets_by`: asked for, or taken from the last fetch where the broker's
        answer to the question is wrong.
        """
        where = TopicPartition(self._topic, partition)
        try:
            if self._settings.end_offsets_by == "query":
                found = self._consumer.get_watermark_offsets(where, timeout=_QUERY_SECONDS)
            else:
                found = self._consumer.get_watermark_offsets(where, cached=True)
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action=f"ask for the end of {self._topic}")
        return Offset(found[1]) if found is not None and found[1] >= 0 else None

    def start(self, partition: Partition) -> Offset:
        """Return the first offset that the log still holds."""
        where = TopicPartition(self._topic, partition)
        try:
            found = self._consumer.get_watermark_offsets(where, timeout=_QUERY_SECONDS)
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action=f"ask for the start of {self._topic}")
        if found is None:
            raise UnavailableError("broker", f"{self._topic}/{partition}: no answer about the log's start")
        return Offset(found[0])

    def show_progress(self, positions: Mapping[Partition, Offset]) -> None:
        """Commit group offsets so that Kafka's own tools show the lag; nobody reads them back."""
        try:
            self._consumer.commit(
                offsets=[self._at(p, offset) for p, offset in positions.items()], asynchronous=True
            )
        except KafkaException as error:
            log.info("progress.not_shown", topic=self._topic, reason=str(error))

    def close(self) -> None:
        self._consumer.close()

    def _at(self, partition: Partition, offset: Offset | None) -> TopicPartition:
        return TopicPartition(self._topic, partition, OFFSET_BEGINNING if offset is None else offset)

    def _on_error(self, error: KafkaError) -> None:
        # Runs inside consume(): remember, never raise through C.
        if error.code() in _DOWN:
            if self._down_since is None and error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
                self._down_since = time.monotonic()
        elif not error.retriable():
            self._fatal = error

    def _check_alive(self) -> None:
        place = self._settings.bootstrap_servers
        if self._fatal is not None:
            raise to_lake_error(self._fatal, place=place, action=f"read {self._topic}")
        if self._down_since is not None and time.monotonic() - self._down_since > _SILENCE_SECONDS:
            raise UnavailableError("broker", f"{place} has been silent for {_SILENCE_SECONDS:.0f} s")


def _numbers(parts: Sequence[TopicPartition]) -> tuple[Partition, ...]:
    return tuple(Partition(part.partition) for part in parts)


def _by_partition(messages: list[Any]) -> dict[int, list[Any]]:
    """Group messages, keeping their order; one poll usually brings one partition's."""
    numbers = list(map(_partition_of, messages))
    if len(set(numbers)) <= 1:
        return {numbers[0]: messages} if numbers else {}
    groups: defaultdict[int, list[Any]] = defaultdict(list)
    for number, message in zip(numbers, messages, strict=True):
        groups[number].append(message)
    return groups


def _chunk(partition: Partition, messages: list[Any]) -> Chunk:
    # One call per attribute and record is all that the client offers; map() makes it without bytecode.
    headers = list(map(_headers_of, messages))
    kinds, stamps = zip(*map(Message.timestamp, messages), strict=True)
    usual = min(kinds) > 0 and min(stamps) >= 0 and max(stamps) <= _LAST_MS
    return Chunk(
        partition=partition,
        offsets=list(map(_offset_of, messages)),
        keys=list(map(Message.key, messages)),
        values=list(map(Message.value, messages)),
        produced=list(stamps) if usual else list(map(_produced, kinds, stamps)),
        idempotency=list(map(_idempotency_key, headers)) if any(headers) else None,
    )


def _produced(kind: int, milliseconds: int) -> int | None:
    return milliseconds if kind and 0 <= milliseconds <= _LAST_MS else None


def _idempotency_key(headers: list[tuple[str, bytes | None]] | None) -> str | None:
    for name, value in headers or ():
        if name.lower() == IDEMPOTENCY_HEADER and value is not None:
            return value.decode("utf-8", "replace")
    return None

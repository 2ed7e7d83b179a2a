"""Read a topic's partitions from given offsets, as columns; nothing is ever reset silently."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from lake.broker.client import client_configuration, log, raise_mapped, to_lake_error
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from lake.types import Offset, Partition

IDEMPOTENCY_HEADER = "idempotency-key"

_QUERY_SECONDS = 10.0
_SILENCE_SECONDS = 15.0
_SESSION_MS = 10_000  # a member that died holds its partitions no longer than this
_MIB = 1024 * 1024

_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001  librdkafka's own codes start with an underscore
_DOWN = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}  # noqa: SLF001

Assigned = Callable[[Sequence[Partition]], Mapping[Partition, Offset | None]]
Gone = Callable[[Sequence[Partition]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records of one partition as columns of equal length, in the order of the log.

    `produced` is in milliseconds since 1970, None where the broker knows no time.
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
        by_partition: defaultdict[int, list[Any]] = defaultdict(list)
        ended: dict[Partition, Offset] = {}
        for message in messages:
            fault = message.error()
            if fault is None:
                by_partition[message.partition()].append(message)
            elif fault.code() == _EOF:
                ended[Partition(message.partition())] = Offset(message.offset())
            elif not fault.retriable() and fault.code() not in _DOWN:
                place = f"{self._topic}/{message.partition()}"
                raise to_lake_error(fault, place=place, action="read")
        if by_partition or ended:
            self._down_since = None
        self._check_alive()
        return Polled(
            chunks=tuple(_chunk(Partition(p), found) for p, found in by_partition.items()), ended=ended
        )

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


def _chunk(partition: Partition, messages: list[Any]) -> Chunk:
    # One call per attribute and record is what the client offers; comprehensions are its fastest use.
    headers = [m.headers() for m in messages]
    stamps = [m.timestamp() for m in messages]
    return Chunk(
        partition=partition,
        offsets=[m.offset() for m in messages],
        keys=[m.key() for m in messages],
        values=[m.value() for m in messages],
        produced=[stamp[1] if stamp[0] else None for stamp in stamps],
        idempotency=[_idempotency_key(h) for h in headers] if any(headers) else None,
    )


def _idempotency_key(headers: list[tuple[str, bytes | None]] | None) -> str | None:
    for name, value in headers or ():
        if name.lower() == IDEMPOTENCY_HEADER and value is not None:
            return value.decode("utf-8", "replace")
    return None

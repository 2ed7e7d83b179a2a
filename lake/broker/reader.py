"""Read shards from given offsets, as columns; nothing is ever reset silently."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from lake.broker.client import client_configuration, log, raise_mapped, to_lake_error
from lake.broker.records import Chunk, Shard, to_chunks
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from lake.types import Offset, Partition

_QUERY_SECONDS = 10.0
_SILENCE_SECONDS = 15.0
_PROBE_SECONDS = 5.0
_SESSION_MS = 10_000  # a member that died holds its shards no longer than this
_MIB = 1024 * 1024

_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001  librdkafka's own codes start with an underscore
_DOWN = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}  # noqa: SLF001

Assigned = Callable[[Sequence[Shard]], Mapping[Shard, Offset | None]]
Gone = Callable[[Sequence[Shard]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one poll brought; `ended` names where the log ends for the shards read to it."""

    chunks: tuple[Chunk, ...] = ()
    ended: Mapping[Shard, Offset]


class LogReader:
    """One consumer of any number of topics; used by one thread.

    Holds at most 48 MiB of records that nobody took yet, however many shards it reads.
    Raises UnavailableError when the brokers stay silent, HistoryError when a log no longer holds
    an offset asked for, ConfigurationError when the broker refuses us.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        group: str,
        max_poll_seconds: float = 300.0,
        idle_seconds: float = 0.05,
    ) -> None:
        """Join nothing yet. A log's end is told `idle_seconds` after it was reached."""
        self._settings = settings
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
                "partition.assignment.strategy": "roundrobin",
                "session.timeout.ms": _SESSION_MS,
                "max.poll.interval.ms": int(max_poll_seconds * 1000),
                "fetch.wait.max.ms": int(idle_seconds * 1000),
                "fetch.max.bytes": 32 * _MIB,
                "max.partition.fetch.bytes": 8 * _MIB,
                "queued.max.messages.kbytes": 48 * 1024,
                "fetch.queue.backoff.ms": 20,
                "fetch.error.backoff.ms": 100,
                "error_cb": self._on_error,
            }
        )

    def assign(self, positions: Mapping[Shard, Offset | None]) -> None:
        """Read these shards from these offsets (None: from the log's start), outside of any group."""
        self._consumer.assign([_at(shard, offset) for shard, offset in positions.items()])

    def subscribe(
        self, topics: Sequence[str], *, on_assigned: Assigned, on_revoked: Gone, on_lost: Gone
    ) -> None:
        """Share the topics' shards with the group's other members, who may want other topics.

        `on_assigned` answers with the offsets to start from; the callbacks run inside `poll`.
        """
        self._consumer.subscribe(
            list(topics),
            on_assign=lambda _, parts: self.assign(on_assigned(_shards(parts))),
            on_revoke=lambda _, parts: on_revoked(_shards(parts)),
            on_lost=lambda _, parts: on_lost(_shards(parts)),
        )

    def poll(self, *, records: int, seconds: float) -> Polled:
        """Wait up to `seconds` for up to `records` records."""
        try:
            messages: list[Any] = self._consumer.consume(records, seconds)
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action="read")
        ended: dict[Shard, Offset] = {}
        faults = list(map(Message.error, messages))
        if any(faults):
            ended = self._ended(messages)
            messages = [m for m, fault in zip(messages, faults, strict=True) if fault is None]
        if messages or ended:
            self._down_since = None
        self._check_alive()
        return Polled(chunks=tuple(to_chunks(messages)), ended=ended)

    def _ended(self, messages: list[Any]) -> dict[Shard, Offset]:
        """Return where logs end; raises what a message reports besides."""
        ended: dict[Shard, Offset] = {}
        for message in messages:
            fault = message.error()
            if fault is None:
                continue
            if fault.code() == _EOF:
                ended[Shard(message.topic(), Partition(message.partition()))] = Offset(message.offset())
            elif not fault.retriable() and fault.code() not in _DOWN:
                place = f"{message.topic()}/{message.partition()}"
                raise to_lake_error(fault, place=place, action="read")
        return ended

    def pause(self, shards: Iterable[Shard]) -> None:
        """Bring no more of these shards; what was fetched ahead is fetched again after `resume`."""
        self._consumer.pause([_at(shard, None) for shard in shards])

    def resume(self, shards: Iterable[Shard]) -> None:
        self._consumer.resume([_at(shard, None) for shard in shards])

    def seek(self, shard: Shard, offset: Offset | None) -> None:
        """Go on from `offset` (None: from the log's start); at the log's end the end is told once more."""
        try:
            self._consumer.seek(_at(shard, offset))
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action=f"go back in {shard}")

    def end(self, shard: Shard) -> Offset | None:
        """Return the offset that the next record will get; None while no fetch has answered.

        By `settings.end_offsets_by`: asked for, or taken from the last fetch where the broker's
        answer to the question is wrong.
        """
        where = _at(shard, None)
        try:
            if self._settings.end_offsets_by == "query":
                found = self._consumer.get_watermark_offsets(where, timeout=_QUERY_SECONDS)
            else:
                found = self._consumer.get_watermark_offsets(where, cached=True)
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action=f"ask for the end of {shard}")
        return Offset(found[1]) if found is not None and found[1] >= 0 else None

    def start(self, shard: Shard) -> Offset:
        """Return the first offset that the log still holds."""
        try:
            found = self._consumer.get_watermark_offsets(_at(shard, None), timeout=_QUERY_SECONDS)
        except KafkaException as error:
            raise_mapped(error, settings=self._settings, action=f"ask for the start of {shard}")
        if found is None:
            raise UnavailableError("broker", f"{shard}: no answer about the log's start")
        return Offset(found[0])

    def show_progress(self, positions: Mapping[Shard, Offset]) -> None:
        """Commit group offsets so that Kafka's own tools show the lag; nobody reads them back."""
        try:
            self._consumer.commit(
                offsets=[_at(shard, offset) for shard, offset in positions.items()], asynchronous=True
            )
        except KafkaException as error:
            log.info("progress.not_shown", shards=list(map(str, positions)), reason=str(error))

    def close(self) -> None:
        self._consumer.close()

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
            raise to_lake_error(self._fatal, place=place, action="read")
        if self._down_since is not None and time.monotonic() - self._down_since > _SILENCE_SECONDS:
            if not self._answers():
                raise UnavailableError("broker", f"{place} has been silent for {_SILENCE_SECONDS:.0f} s")
            self._down_since = None

    def _answers(self) -> bool:
        """Ask: a broker that came back brings nothing while nobody writes, and that is no silence."""
        try:
            self._consumer.list_topics(timeout=_PROBE_SECONDS)
        except KafkaException:
            return False
        return True


def _at(shard: Shard, offset: Offset | None) -> TopicPartition:
    return TopicPartition(shard.topic, shard.partition, OFFSET_BEGINNING if offset is None else offset)


def _shards(parts: Sequence[TopicPartition]) -> tuple[Shard, ...]:
    return tuple(Shard(part.topic, Partition(part.partition)) for part in parts)

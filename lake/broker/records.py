"""Records of one log as columns; a log is one partition of one topic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from lake.types import Offset, Partition

IDEMPOTENCY_HEADER = "idempotency-key"

_LAST_MS = 253_402_300_799_999  # the end of year 9999, as far as Python and SQL count

Headers = list[tuple[str, bytes | None]]

# The client's own annotations allow for messages that were never sent.
_topic_of: Callable[[Any], Any] = Message.topic
_partition_of: Callable[[Any], Any] = Message.partition
_offset_of: Callable[[Any], Any] = Message.offset
_headers_of: Callable[[Any], Any] = Message.headers


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One partition of one topic; `topic` as the broker knows it."""

    topic: str
    partition: Partition

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records of one shard as columns of equal length, in the order of the log.

    `produced` is in milliseconds since 1970, None where the broker knows no time or one that no
    calendar has: producers set it as they like, microseconds for example.
    `headers` is None when no record carries any.
    """

    shard: Shard
    offsets: list[Offset]
    keys: list[bytes | None]
    values: list[bytes | None]
    produced: list[int | None]
    headers: list[Headers | None] | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def partition(self) -> Partition:
        return self.shard.partition

    def pick(self, places: list[int]) -> Chunk:
        """Return the records at these places."""
        return Chunk(
            shard=self.shard,
            offsets=[self.offsets[n] for n in places],
            keys=[self.keys[n] for n in places],
            values=[self.values[n] for n in places],
            produced=[self.produced[n] for n in places],
            headers=[self.headers[n] for n in places] if self.headers is not None else None,
        )


def header(headers: Headers | None, name: str) -> str | None:
    """Return the last header of that name as text, whatever its case; None when there is none."""
    found: str | None = None
    for own, value in headers or ():
        if own.lower() == name and value is not None:
            found = value.decode("utf-8", "replace")
    return found


def to_chunks(messages: list[Any]) -> Iterator[Chunk]:
    """Yield the messages by shard, each shard's in their order; one poll usually brings one shard's."""
    partitions, topics = set(map(_partition_of, messages)), set(map(_topic_of, messages))
    if len(partitions) <= 1 and len(topics) <= 1:
        if messages:
            yield _chunk(Shard(topics.pop(), Partition(partitions.pop())), messages)
        return
    groups: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
    for message in messages:
        groups[_topic_of(message), _partition_of(message)].append(message)
    for (topic, partition), found in groups.items():
        yield _chunk(Shard(topic, Partition(partition)), found)


def _chunk(shard: Shard, messages: list[Any]) -> Chunk:
    # One call per attribute and record is all that the client offers; map() makes it without bytecode.
    headers = list(map(_headers_of, messages))
    kinds, stamps = zip(*map(Message.timestamp, messages), strict=True)
    usual = min(kinds) > 0 and min(stamps) >= 0 and max(stamps) <= _LAST_MS
    return Chunk(
        shard=shard,
        offsets=list(map(_offset_of, messages)),
        keys=list(map(Message.key, messages)),
        values=list(map(Message.value, messages)),
        produced=list(stamps) if usual else list(map(_produced, kinds, stamps)),
        headers=headers if any(headers) else None,
    )


def _produced(kind: int, milliseconds: int) -> int | None:
    return milliseconds if kind and 0 <= milliseconds <= _LAST_MS else None

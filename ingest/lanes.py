"""The lanes that one consumer serves: which of them take part, and what they want of a shard together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ingest.lane import Lane
from lake.broker import Shard
from lake.types import Offset


class Lanes:
    """The present ones, in order; several may read one topic, and one may be followed by another."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = tuple(lanes)
        self._by_topic: defaultdict[str, list[Lane]] = defaultdict(list)
        for lane in lanes:
            self._by_topic[lane.topic.name].append(lane)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def alive(self) -> Iterator[Lane]:
        """Yield those that land."""
        return (lane for lane in self._lanes if lane.failure is None and not lane.is_aside)

    def aside(self) -> Iterator[Lane]:
        """Yield those that wait for the contract that their table is held to."""
        return (lane for lane in self._lanes if lane.failure is None and lane.is_aside)

    def topics(self) -> list[str]:
        """Return the topics that they read."""
        return list(self._by_topic)

    def of(self, topic: str) -> Sequence[Lane]:
        """Return those of a topic, whatever became of them."""
        return self._by_topic[topic]

    def readers(self, shard: Shard) -> list[Lane]:
        """Return those that read a shard."""
        return [lane for lane in self.of(shard.topic) if shard.partition in lane.partitions]

    def shards(self) -> frozenset[Shard]:
        """Return what those that land read."""
        return frozenset(shard for lane in self.alive() for shard in lane.shards)

    def reached(self, shard: Shard) -> Iterator[Offset]:
        """Yield up to where each of its readers has read a shard."""
        return (lane.wants(shard.partition) or Offset(0) for lane in self.readers(shard))

    def landed(self, shard: Shard) -> Offset:
        """Return up to where all readers of a shard have landed it."""
        return min(lane.landed(shard.partition) for lane in self.readers(shard))

    def first_wanted(self, shard: Shard) -> Offset | None:
        """Return where a shard has to be read from so that each lane gets what it lacks."""
        wanted = [lane.wants(shard.partition) for lane in self.readers(shard)]
        known = [offset for offset in wanted if offset is not None]
        return min(known) if known and len(known) == len(wanted) else None

    def replace(self, lane: Lane, successor: Lane) -> None:
        """Let another lane of the same stream take the place of one."""
        own = self._by_topic[lane.topic.name]
        own[own.index(lane)] = successor
        self._lanes = tuple(successor if one is lane else one for one in self._lanes)

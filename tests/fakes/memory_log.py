"""A log in memory, read as a broker's: offsets with gaps, an end that is told once, pauses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lake.broker import Chunk, Polled, Shard
from lake.types import Offset, Partition

_A_POLL = 5  # records; small, so that batches end at odd places


@dataclass(slots=True)
class MemoryLog:
    """The records of a few shards by offset."""

    records: dict[Shard, dict[Offset, bytes]] = field(default_factory=lambda: defaultdict(dict))
    ends: dict[Shard, Offset] = field(default_factory=lambda: defaultdict(lambda: Offset(0)))

    def append(self, shard: Shard, value: bytes, *, gap: int = 0) -> None:
        """Write a record; `gap` offsets before it belong to nobody (transactions, compaction)."""
        offset = Offset(self.ends[shard] + gap)
        self.records[shard][offset] = value
        self.ends[shard] = Offset(offset + 1)


class MemoryReader:
    """Stands where `lake.broker.LogReader` stands."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._next: dict[Shard, Offset] = {}
        self._told: set[Shard] = set()
        self._paused: set[Shard] = set()

    def assign(self, positions: Mapping[Shard, Offset | None]) -> None:
        self._next = {shard: offset or Offset(0) for shard, offset in positions.items()}
        self._told.clear()
        self._paused.clear()

    def poll(self, *, records: int, seconds: float) -> Polled:
        del seconds
        ended: dict[Shard, Offset] = {}
        for shard in sorted(self._next.keys() - self._paused):
            found = [o for o in sorted(self._log.records[shard]) if o >= self._next[shard]]
            if chosen := found[: min(records, _A_POLL)]:
                self._next[shard] = Offset(chosen[-1] + 1)
                return Polled(chunks=(self._chunk(shard, chosen),), ended={})
            if shard not in self._told:
                self._told.add(shard)
                ended[shard] = self._log.ends[shard]
        return Polled(chunks=(), ended=ended)

    def _chunk(self, shard: Shard, offsets: list[Offset]) -> Chunk:
        return Chunk(
            shard=shard,
            offsets=offsets,
            keys=[str(o).encode() for o in offsets],
            values=[self._log.records[shard][o] for o in offsets],
            produced=[1_700_000_000_000 for _ in offsets],
        )

    def pause(self, shards: Iterable[Shard]) -> None:
        self._paused |= set(shards)

    def resume(self, shards: Iterable[Shard]) -> None:
        self._paused -= set(shards)

    def seek(self, shard: Shard, offset: Offset | None) -> None:
        self._next[shard] = offset or Offset(0)
        self._told.discard(shard)

    def end(self, shard: Shard) -> Offset | None:
        return self._log.ends[shard]

    def start(self, shard: Shard) -> Offset:
        del shard
        return Offset(0)

    def show_progress(self, positions: Mapping[Shard, Offset]) -> None:
        """Nobody looks."""

    def close(self) -> None:
        """Nothing is held."""


def shard(topic: str, partition: int) -> Shard:
    return Shard(topic, Partition(partition))

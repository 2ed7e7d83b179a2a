"""Where the logs of a feed end: how far each has to be read, how far it was, and what an answer proves.

A log's end is told once when it is reached. What a fetch tells is true of the moment at which it was sent
or later, never of a later one: so a look at the end counts from the moment at which it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from lake.broker import LogReader, Shard
from lake.types import Offset

Reached = Callable[[Shard], Iterable[Offset]]


class Ends:
    """Used by the reading thread alone."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._goals: dict[Shard, Offset] = {}
        self._read_out: set[Shard] = set()
        self._asked: dict[Shard, datetime] = {}

    def begin(self, shards: Iterable[Shard], now: datetime) -> None:
        """Forget everything; these shards are read from now on."""
        self._goals.clear()
        self._read_out.clear()
        self._asked = dict.fromkeys(shards, now)

    def forget(self, shard: Shard, now: datetime) -> None:
        """Know nothing more of a shard that is read again from further back: its end is asked for anew."""
        self._goals.pop(shard, None)
        self._read_out.discard(shard)
        self._asked[shard] = now

    def learn(self, shard: Shard) -> Offset | None:
        """Return the end of a shard the first time that it is known."""
        if shard in self._goals:
            return None
        end = self._reader.end(shard)
        if end is not None:
            self._goals[shard] = end
        return end

    def has_reached(self, shard: Shard, wanted: Offset | None) -> bool:
        """Tell whether all is taken up to the end that the shard had at first."""
        goal = self._goals.get(shard)
        return goal is not None and (shard in self._read_out or (wanted or 0) >= goal)

    def answers(self, ended: Collection[Shard], reached: Reached) -> dict[Shard, datetime]:
        """Return the shards that are known to be taken up to a moment, after a poll that told these ends.

        `reached` gives the next offsets that the readers of a shard want.
        """
        self._read_out |= set(ended)
        found = [shard for shard in self._asked if shard in ended or self._is_at_goal(shard, reached)]
        return {shard: self._asked.pop(shard) for shard in found}

    def _is_at_goal(self, shard: Shard, reached: Reached) -> bool:
        goal = self._goals.get(shard)
        if goal is None or shard in self._read_out:
            return False  # once read out, only a new answer says that the end is where it was
        return all(offset >= goal for offset in reached(shard))

    def ask_again(self, shard: Shard, now: datetime) -> bool:
        """Note that a shard's end is asked for anew; False when it isn't read out or is asked for already."""
        if shard not in self._read_out or shard in self._asked:
            return False
        self._asked[shard] = now
        return True

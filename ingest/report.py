"""What a landing run did, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lake.types import Offset, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A commit landed; the counts are those of the stream since the run began."""

    stream: str
    landed: int
    quarantined: int
    commits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """One stream's part of a run; `seconds` from the first poll to the last commit."""

    stream: str
    topic: str
    table: str
    landed: int
    quarantined: int
    commits: int
    seconds: float
    positions: Mapping[Partition, Offset]

    @property
    def rows_per_second(self) -> float:
        return (self.landed + self.quarantined) / self.seconds if self.seconds > 0 else 0.0

    @property
    def was_idle(self) -> bool:
        """Tell that everything had landed before."""
        return self.landed == 0 and self.quarantined == 0


Observer = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Take progress and do nothing with it."""
    del progress

"""What of a batch still belongs on top of a table (design §4, step 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.batch import Range
from ingest.positions import Position
from lake.types import Offset, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPlan:
    """Which partitions of a batch go into a commit, and which somebody else has moved."""

    stage: tuple[Partition, ...]
    drop: tuple[Partition, ...]


def plan_commit(stored: Mapping[Partition, Position], ranges: Mapping[Partition, Range]) -> CommitPlan:
    """Stage a partition exactly when the table stands where the batch begins; drop it otherwise."""
    stage: list[Partition] = []
    drop: list[Partition] = []
    for partition, wanted in sorted(ranges.items()):
        position = stored.get(partition)
        present = None if position is None else position.offset
        (stage if present == wanted.expected else drop).append(partition)
    return CommitPlan(stage=tuple(stage), drop=tuple(drop))


def never_back(known: Offset | None, reached: Offset) -> Range:
    """Return the range of a quarantine commit: what was final before stays final."""
    return Range(expected=known, next=reached if known is None else max(known, reached))

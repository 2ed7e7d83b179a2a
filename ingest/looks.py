"""When each partition of a stream was last read to its end, and what of it the table says already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lake.catalog.horizons import Horizon
from lake.types import Partition

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


class Looks:
    """One stream's; used by the reading thread. Told again at the earliest `seconds` after the last time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._partitions: tuple[Partition, ...] = ()
        self._looked: dict[Partition, datetime] = {}
        self._told = _NEVER  # the earliest of what the table says of the partitions

    def begin(self, partitions: Sequence[Partition], known: Mapping[Partition, Horizon]) -> None:
        """Go by what the table says; nothing was looked at since."""
        self._partitions = tuple(partitions)
        self._looked.clear()
        told = [(known[p].looked if p in known else None) or _NEVER for p in partitions]
        self._told = min(told, default=_NEVER)

    def note(self, partition: Partition, moment: datetime) -> None:
        """Note that what was in the log by `moment` has been taken."""
        self._looked[partition] = moment

    @property
    def known(self) -> dict[Partition, datetime]:
        """Return what the next commit can tell."""
        return dict(self._looked)

    def count_as_told(self) -> None:
        """Take what is known for told: a commit says it."""
        if self._has_all():
            self._told = min(self._looked.values(), default=_NEVER)

    def is_due(self) -> bool:
        """Tell whether a commit should be made only to tell it."""
        newest = min(self._looked.values(), default=_NEVER)
        return self._has_all() and (newest - self._told).total_seconds() >= self._seconds

    def are_old(self, now: datetime) -> bool:
        """Tell whether the logs' ends should be asked for again."""
        newest = min(self._looked.values(), default=self._told)
        return (now - newest).total_seconds() >= self._seconds

    def _has_all(self) -> bool:
        return bool(self._partitions) and self._looked.keys() >= set(self._partitions)

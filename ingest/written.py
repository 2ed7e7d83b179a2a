"""What became of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lake.types import Offset, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Partitions in `moved` have to be read again from where the tables stand; `files` are the table's."""

    landed: int = 0
    quarantined: int = 0
    commits: int = 0
    positions: Mapping[Partition, Offset] = field(default_factory=dict)
    moved: tuple[Partition, ...] = ()
    files: int = 0

    def plus(self, later: Written) -> Written:
        """Return both together, as the later one left it."""
        return Written(
            landed=self.landed + later.landed,
            quarantined=self.quarantined + later.quarantined,
            commits=self.commits + later.commits,
            positions={**self.positions, **later.positions},
            moved=later.moved,
            files=later.files,
        )

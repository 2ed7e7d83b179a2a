"""The published past of a table: the snapshots that main pointed to, by the snapshot log.

The parent of a snapshot is no guide: a publish adds a half-way snapshot, which is the parent of the one
that readers saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table.snapshots import Operation

from lake.catalog.tables import TableState
from lake.errors import BadInputError
from lake.types import SnapshotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A snapshot and the moment from which readers saw it; `rewrite` says that it changed files, not rows."""

    id: SnapshotId
    at: datetime
    rewrite: bool = False


def published(state: TableState) -> tuple[Published, ...]:
    """Return what main pointed to, oldest first; snapshots that were expired are not in it."""
    metadata = state.handle.metadata
    rewrites = {
        s.snapshot_id
        for s in metadata.snapshots
        if s.summary is not None and s.summary.operation is Operation.REPLACE
    }
    return tuple(
        Published(
            id=SnapshotId(entry.snapshot_id),
            at=datetime.fromtimestamp(entry.timestamp_ms / 1000, UTC),
            rewrite=entry.snapshot_id in rewrites,
        )
        for entry in metadata.snapshot_log
    )


def snapshot_at(state: TableState, moment: datetime) -> SnapshotId:
    """Return the snapshot that readers saw at a moment.

    Raises BadInputError when the table has no snapshot that old.
    """
    past = published(state)
    seen = [entry for entry in past if entry.at <= moment]
    if not seen:
        since = (
            f"its versions begin at {past[0].at:%Y-%m-%d %H:%M:%S} UTC" if past else "it was never written"
        )
        raise BadInputError(
            f"{state.name} has no version of {moment:%Y-%m-%d %H:%M:%S} UTC: {since}",
            hint="ask for a later moment",
        )
    return seen[-1].id

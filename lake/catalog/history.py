"""The recent commits of landing to a table, as its metadata keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lake.catalog.commits import STAMP
from lake.catalog.tables import TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit: when, how many rows it added, and what else its snapshot's summary says."""

    at: datetime
    records: int
    summary: Mapping[str, str] = field(default_factory=dict, compare=False)


def read_commits(state: TableState) -> tuple[Commit, ...]:
    """Return the commits of landing and replay that are not expired, oldest first; care's are left out."""
    found = sorted(state.handle.metadata.snapshots, key=lambda s: s.sequence_number or 0)
    return tuple(
        Commit(
            at=datetime.fromtimestamp(s.timestamp_ms / 1000, UTC),
            records=int(s.summary.additional_properties.get("added-records", 0)),
            summary=s.summary.additional_properties,
        )
        for s in found
        if s.summary is not None and STAMP in s.summary.additional_properties
    )

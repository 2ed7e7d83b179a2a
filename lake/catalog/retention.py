"""Which snapshots of a table are kept: all of the newest, then one an hour, and what somebody names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lake.settings import LandingSettings
from lake.types import SnapshotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The `newest` snapshots, and of the last `hours` the last one of each."""

    newest: int
    hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A snapshot that the metadata hold."""

    id: SnapshotId
    sequence: int
    committed_at: datetime


def landing_retention(settings: LandingSettings) -> Retention:
    """Return how long the tables of landing keep snapshots."""
    return Retention(newest=settings.retained_snapshots, hours=settings.retained_hours)


def plan_expiry(
    snapshots: Iterable[Kept], retention: Retention, *, named: frozenset[SnapshotId], now: datetime
) -> tuple[SnapshotId, ...]:
    """Return the snapshots that go, oldest first; those in `named` (refs, the newest landing) stay."""
    ordered = sorted(snapshots, key=lambda s: s.sequence)
    keep = set(named) | {s.id for s in ordered[max(0, len(ordered) - retention.newest) :]}
    since = now - timedelta(hours=retention.hours)
    hours = {
        s.committed_at.replace(minute=0, second=0, microsecond=0): s.id
        for s in ordered
        if s.committed_at > since
    }
    keep.update(hours.values())
    return tuple(s.id for s in ordered if s.id not in keep)

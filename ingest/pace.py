"""How fast a stream lands and how much of it is bad, from what the catalog keeps about recent commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.lateness import Lateness, from_summary
from lake.catalog import TableState
from lake.catalog.history import Commit, read_commits

_NEWEST = 20  # commits of landing that are looked at; older ones may be expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Figures of the newest commits; None where there are too few to tell.

    Rates are over the time from the first of them to the last. `bad_share` is of all records that
    landed or were refused since the first of them.
    """

    last_commit: datetime | None = None
    records_per_second: float | None = None
    commits_per_minute: float | None = None
    bad_share: float | None = None
    lateness: Lateness | None = None  # of the newest commit that says it


NO_PACE = Pace()


def read_pace(raw: TableState | None, quarantine: TableState | None) -> Pace:
    """Return the pace of one stream; reads no file."""
    landed = read_commits(raw)[-_NEWEST:] if raw is not None else ()
    refused = read_commits(quarantine) if quarantine is not None else ()
    return pace_of(landed, refused)


def pace_of(landed: Sequence[Commit], refused: Sequence[Commit]) -> Pace:
    """Return the pace by the commits of the two tables, oldest first."""
    if not landed:
        return NO_PACE
    first, last = landed[0], landed[-1]
    seconds = (last.at - first.at).total_seconds()
    later = landed[1:]
    good = sum(c.records for c in landed)
    # Quarantine is committed before the rows of the same batch, so those of the first look older.
    bad = sum(c.records for c in refused if len(landed) < _NEWEST or c.at >= first.at)
    return Pace(
        last_commit=last.at,
        records_per_second=sum(c.records for c in later) / seconds if seconds > 0 else None,
        commits_per_minute=60 * len(later) / seconds if seconds > 0 else None,
        bad_share=bad / (good + bad) if good + bad else None,
        lateness=next((late for c in reversed(landed) if (late := from_summary(c.summary))), None),
    )

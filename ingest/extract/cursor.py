"""How far a resource is landed: the value that lives beside the rows, in the table's properties.

What has landed is known from the tables themselves (`known`); the cursor only says what to ask for. So a
cursor that lags costs time and never a record. `since` is the newest instant up to which everything that
the source had is landed: it moves when a walk has ended, for only then nothing older can be left on a
page that was not seen. `high` is what `since` will become. `place` is where the source stands, in the
words of its kind: a page, a parent, the files that are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from lake.errors import HistoryError
from lake.types import Primitive, SnapshotId

Instant = datetime | date | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The state of one resource after a commit; `sequence` is the running number of the next record."""

    sequence: int = 0
    since: str | None = None
    high: str | None = None
    place: Mapping[str, Any] = field(default_factory=dict)
    snapshot: SnapshotId | None = None  # the one that the commit which wrote this added
    snapshot_sequence: int = 0
    commits: int = 0

    def stands_like(self, other: Cursor) -> bool:
        """Tell whether both ask for the same; numbers and commits aside."""
        return (self.since, self.high, self.place) == (other.since, other.high, other.place)

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str, *, table: str) -> Cursor:
        """Read the property; raises HistoryError when somebody else wrote it."""
        try:
            return msgspec.convert(msgspec.json.decode(text, type=_Stored), cls, from_attributes=True)
        except msgspec.DecodeError as error:
            raise HistoryError(
                f"{table}: the stored cursor can't be read ({error})",
                hint="see what changed the table's properties: lake extract status",
            ) from error


class _Stored(msgspec.Struct):
    """What must be there; members of other versions are passed over."""

    sequence: int
    since: str | None = None
    high: str | None = None
    place: dict[str, Any] = {}
    snapshot: int | None = None
    snapshot_sequence: int = 0
    commits: int = 0


PREFIX = "ingest.cursor."


def property_name(source: str, resource: str) -> str:
    """Return the table property that holds a resource's cursor."""
    return f"{PREFIX}{source}/{resource}"


def see(cursor: Cursor, newest: Instant | None, like: Primitive) -> Cursor:
    """Note the newest instant of some records; it becomes `since` when the walk ends."""
    if newest is None or (cursor.high is not None and parse_instant(cursor.high, like) >= newest):
        return cursor
    return replace(cursor, high=instant_text(newest))


def end_walk(cursor: Cursor, like: Primitive) -> Cursor:
    """Move on: everything up to the newest instant is landed once the coming commit is."""
    if cursor.high is None:
        return cursor
    high = parse_instant(cursor.high, like)
    moved = cursor.since is None or high > parse_instant(cursor.since, like)
    return replace(cursor, since=instant_text(high) if moved else cursor.since, high=None)


def look_back(since: str | None, by: float, like: Primitive) -> str | None:
    """Return the instant to ask from: `by` seconds before `since`, or so many numbers for integers."""
    if since is None or not by:
        return since
    instant = parse_instant(since, like)
    if isinstance(instant, datetime):
        return instant_text(instant - timedelta(seconds=by))
    if isinstance(instant, date):
        return instant_text(instant - timedelta(days=-(-by // 86_400)))
    return instant_text(instant - int(by))


def instant_text(instant: Instant) -> str:
    """Write an instant as APIs take it: ISO 8601, UTC as Z, no fraction when there is none."""
    if isinstance(instant, datetime):
        if instant.tzinfo is not None:
            return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        return instant.isoformat()
    return instant.isoformat() if isinstance(instant, date) else str(instant)


def parse_instant(text: str, like: Primitive) -> Any:
    """Read what `instant_text` wrote, for a column of that type; raises ValueError for anything else."""
    match like:
        case Primitive.TIMESTAMPTZ:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        case Primitive.TIMESTAMP:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        case Primitive.DATE:
            return date.fromisoformat(text)
        case _:
            return int(text)

"""How far a resource is landed: the value that lives beside the rows, in the table's properties.

Records come ordered by the incremental column. The cursor is the newest instant that landed; the next
run asks for everything *from* that instant on, so no record that shares it can be lost, and leaves out
those that are known: the identities of all records at exactly that instant. They are made of the whole
content, because a record may change twice within one tick of the API's clock. Bad records never move the
cursor: those beyond it, or without a readable instant, are known for good (`loose`). When identities are
many they are read from the tables instead (`spilled`): the property stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from lake.errors import HistoryError
from lake.types import SnapshotId

KEPT_IDENTITIES = 2_000
_RAW = "raw:"

Instant = datetime | date | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The state of one resource after a commit.

    `sequence` is the running number of the next record. Quarantined rows numbered from `settled` on
    may belong to a batch whose good rows never landed: they are final, and are left out when the API
    sends them again. `since` is the instant as text, in the form that the API is asked with.
    `etag` belongs to the whole answer to exactly `since`.
    """

    sequence: int = 0
    settled: int = 0
    since: str | None = None
    known: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    spilled: bool = False
    etag: str | None = None
    snapshot: SnapshotId | None = None  # the one that the commit which wrote this added
    snapshot_sequence: int = 0
    commits: int = 0

    def to_json(self) -> str:
        return msgspec.json.encode(
            {
                "sequence": self.sequence,
                "settled": self.settled,
                "since": self.since,
                "known": sorted(self.known),
                "loose": sorted(self.loose),
                "spilled": self.spilled,
                "etag": self.etag,
                "snapshot": self.snapshot,
                "snapshot_sequence": self.snapshot_sequence,
                "commits": self.commits,
            }
        ).decode()

    @classmethod
    def from_json(cls, text: str, *, table: str) -> Cursor:
        """Read the property; raises HistoryError when somebody else wrote it."""
        try:
            stored = msgspec.json.decode(text, type=_Stored)
        except msgspec.DecodeError as error:
            raise HistoryError(
                f"{table}: the stored cursor can't be read ({error})",
                hint="see what changed the table's properties: lake extract status",
            ) from error
        return cls(
            sequence=stored.sequence,
            settled=stored.settled,
            since=stored.since,
            known=frozenset(stored.known),
            loose=frozenset(stored.loose),
            spilled=stored.spilled,
            etag=stored.etag,
            snapshot_sequence=stored.snapshot_sequence,
            snapshot=None if stored.snapshot is None else SnapshotId(stored.snapshot),
            commits=stored.commits,
        )

    def kept(self) -> Cursor:
        """Return the cursor as it is stored: many identities are left to the tables."""
        if len(self.known) + len(self.loose) <= KEPT_IDENTITIES:
            return replace(self, spilled=False)
        return replace(self, known=frozenset(), loose=frozenset(), spilled=True)


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    sequence: int
    settled: int
    since: str | None
    known: list[str]
    loose: list[str]
    spilled: bool
    etag: str | None
    snapshot: int | None
    snapshot_sequence: int
    commits: int


def property_name(source: str, resource: str) -> str:
    """Return the table property that holds a resource's cursor."""
    return f"ingest.cursor.{source}/{resource}"


def instant_text(instant: Instant) -> str:
    """Write an instant as APIs take it: ISO 8601, UTC as Z, no fraction when there is none."""
    if isinstance(instant, datetime):
        if instant.tzinfo is not None:
            return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        return instant.isoformat()
    return instant.isoformat() if isinstance(instant, date) else str(instant)


def parse_instant(text: str, like: type) -> Instant:
    """Read what `instant_text` wrote, for a column of that Python type."""
    if like is datetime:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return date.fromisoformat(text) if like is date else int(text)


def record_identity(values: Mapping[str, Any]) -> str:
    """Name a good record by its content, as typed values; a column that is null counts as missing."""
    parts = [
        (name, value.isoformat() if isinstance(value, date) else str(value))
        for name, value in sorted(values.items())
        if value is not None
    ]
    return _digest(msgspec.json.encode(parts))


def bytes_identity(raw: bytes) -> str:
    """Name a bad record by its bytes: it may have no key."""
    return _RAW + _digest(raw)


def is_bytes_identity(name: str) -> bool:
    return name.startswith(_RAW)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=9).hexdigest()

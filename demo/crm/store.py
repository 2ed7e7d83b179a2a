"""Contacts in one SQLite file: a batch is one transaction, on disk before it is answered.

A row whose idempotency key was seen before gets the outcome of then and changes nothing; the same key
with other content is an error. Errors are not remembered: nothing was done, so a mended row may come
again with the same key.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from demo.crm.rules import Row, RowError
from demo.errors import BadArgumentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a row: created, updated, unchanged, deleted or missing; or of an earlier twin of it."""

    status: str
    duplicate: bool = False


class ContactStore:
    """All contacts, what was decided for each idempotency key, and counts since the beginning.

    Safe to call from several threads: one batch at a time.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises BadArgumentError when it is no such file."""
        self._lock = threading.Lock()
        self._sql = _sections()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(self._sql["schema"])
        except (sqlite3.Error, OSError) as error:
            raise BadArgumentError(f"{path} can't be used: {error}", hint="give another --db") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def apply(self, rows: Sequence[Row | RowError]) -> list[Outcome | RowError]:
        """Apply rows in their order and return an outcome each; bad rows come back as they are."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                outcomes = [self._apply_one(row) for row in rows]
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        return outcomes

    def contact(self, external_id: str) -> dict[str, Any] | None:
        """Return one contact."""
        with self._lock:
            found = self._db.execute(self._sql["contact"], (external_id,)).fetchone()
        return None if found is None else _contact(found)

    def contacts(self, *, limit: int, after: str = "") -> list[dict[str, Any]]:
        """Return contacts in the order of external_id."""
        with self._lock:
            return [_contact(row) for row in self._db.execute(self._sql["contacts"], (after, limit))]

    def stats(self) -> dict[str, int]:
        """Return the counts since the file was created, and `contacts`, how many there are."""
        with self._lock:
            counted = dict(self._db.execute(self._sql["counters"]).fetchall())
            (contacts,) = self._db.execute(self._sql["size"]).fetchone()
        names = ("created", "updated", "unchanged", "deleted", "missing", "duplicate", "error")
        counts = {name: counted.get(name, 0) for name in names}
        return {
            "contacts": contacts,
            **counts,
            "upserts_applied": counts["created"] + counts["updated"],
        }

    def _apply_one(self, row: Row | RowError) -> Outcome | RowError:
        outcome = row if isinstance(row, RowError) else self._decide(row)
        if isinstance(outcome, RowError):
            counter = "error"
        else:
            counter = "duplicate" if outcome.duplicate else outcome.status
        self._db.execute(self._sql["count_one"], (counter,))
        return outcome

    def _decide(self, row: Row) -> Outcome | RowError:
        digest = _digest(row)
        seen = self._db.execute(self._sql["outcome"], (row.idempotency_key,)).fetchone()
        if seen is not None:
            if seen[0] != digest:
                return RowError("idempotency_key_reused", "this key came with other content before")
            return Outcome(status=seen[1], duplicate=True)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        status = self._delete(row.external_id) if row.properties is None else self._upsert(row, now)
        self._db.execute(self._sql["remember"], (row.idempotency_key, digest, status, now))
        return Outcome(status=status)

    def _upsert(self, row: Row, now: str) -> str:
        """Merge the properties into the contact; null takes one away."""
        assert row.properties is not None
        found = self._db.execute(self._sql["contact"], (row.external_id,)).fetchone()
        before = {} if found is None else json.loads(found[1])
        after = {name: value for name, value in (before | row.properties).items() if value is not None}
        text = json.dumps(after, sort_keys=True)
        if found is None:
            self._db.execute(self._sql["insert"], (row.external_id, text, now, now))
            return "created"
        if text == found[1]:
            return "unchanged"
        self._db.execute(self._sql["update"], (text, now, row.external_id))
        return "updated"

    def _delete(self, external_id: str) -> str:
        return "deleted" if self._db.execute(self._sql["delete"], (external_id,)).rowcount else "missing"


def _contact(row: tuple[str, str, int, str, str]) -> dict[str, Any]:
    names = ("external_id", "properties", "version", "created_at", "updated_at")
    return dict(zip(names, row, strict=True)) | {"properties": json.loads(row[1])}


def _digest(row: Row) -> str:
    content = json.dumps([row.external_id, row.properties], sort_keys=True)
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _sections() -> dict[str, str]:
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    parts = (part.split("\n", 1) for part in text.split("-- name: ")[1:])
    return {name.strip(): body.strip() for name, body in parts}

"""Publish attempts: what was about to be committed, and what became of it (design §4, steps 0 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from lake.postgres import connect, read_sections
from lake.settings import PostgresSettings


class AttemptState(StrEnum):
    """How an attempt stands."""

    OPEN = "open"  # written; its transaction may be running, or its process died
    LANDED = "landed"  # the commit was acknowledged, or its stamp was read back
    REFUSED = "refused"  # a blocking audit failed; rolled back
    FAILED = "failed"  # an error before COMMIT; rolled back
    CONFLICT = "conflict"  # another writer moved the table first; tried again as a new attempt
    UNKNOWN = "unknown"  # COMMIT was sent and its stamp could not be read back
    LOST = "lost"  # found later: the stamp is not in the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to publish the half-open interval [start, end) of one physical table.

    `recorded` is false until SQLMesh has the interval, for models that must not be evaluated twice.
    """

    attempt_id: UUID
    table_name: str
    model: str
    fingerprint: str
    interval_start: datetime
    interval_end: datetime
    run_id: UUID | None = None
    state: AttemptState = AttemptState.OPEN
    opened_at: datetime | None = None
    settled_at: datetime | None = None
    snapshot_id: int | None = None
    reason: str = ""
    recorded: bool = True
    query_id: str = ""  # of the statement that commits, where the engine names it beforehand (Trino)


def open_attempt(settings: PostgresSettings, attempt: Attempt) -> tuple[Attempt, ...]:
    """Write an attempt before its transaction begins; UnavailableError means: do not begin.

    Returns the older attempts of the table whose outcome nobody recorded, oldest first.
    """
    with connect(settings) as connection:
        older = connection.execute(_sections()["unsettled"], {"table_name": attempt.table_name}).fetchall()
        connection.execute(
            _sections()["open_attempt"],
            {
                "attempt_id": attempt.attempt_id,
                "table_name": attempt.table_name,
                "model": attempt.model,
                "fingerprint": attempt.fingerprint,
                "interval_start": attempt.interval_start,
                "interval_end": attempt.interval_end,
                "run_id": attempt.run_id,
                "recorded": attempt.recorded,
            },
        )
    return tuple(_attempt(row) for row in older)


def note_query(settings: PostgresSettings, attempt_id: UUID, query_id: str) -> None:
    """Write which query will commit an attempt, before it may; UnavailableError means: do not commit."""
    with connect(settings) as connection:
        connection.execute(_sections()["note_query"], {"attempt_id": attempt_id, "query_id": query_id})


def settle_attempt(
    settings: PostgresSettings,
    attempt_id: UUID,
    state: AttemptState,
    *,
    snapshot_id: int | None = None,
    reason: str = "",
) -> None:
    """Record what became of one's own attempt; the owner's word wins over a later attempt's guess."""
    with connect(settings) as connection:
        connection.execute(
            _sections()["settle_attempt"],
            {"attempt_id": attempt_id, "state": state.value, "snapshot_id": snapshot_id, "reason": reason},
        )


def settle_older(settings: PostgresSettings, outcomes: dict[UUID, AttemptState]) -> None:
    """Settle attempts whose owner is silent; one that its owner settled meanwhile keeps its state."""
    if not outcomes:
        return
    with connect(settings) as connection:
        for attempt_id, state in outcomes.items():
            connection.execute(_sections()["settle_older"], {"attempt_id": attempt_id, "state": state.value})


def unrecorded_attempts(settings: PostgresSettings, table_name: str, fingerprint: str) -> tuple[Attempt, ...]:
    """Return attempts that landed, or may have, and whose interval SQLMesh doesn't have; oldest first."""
    with connect(settings) as connection:
        rows = connection.execute(
            _sections()["unrecorded"], {"table_name": table_name, "fingerprint": fingerprint}
        ).fetchall()
    return tuple(_attempt(row) for row in rows)


def mark_recorded(settings: PostgresSettings, attempt_id: UUID) -> None:
    """Write down that SQLMesh has the attempt's interval."""
    with connect(settings) as connection:
        connection.execute(_sections()["mark_recorded"], {"attempt_id": attempt_id})


def read_attempts(settings: PostgresSettings, table_name: str, *, limit: int = 100) -> tuple[Attempt, ...]:
    """Return the attempts of a physical table, newest first."""
    with connect(settings) as connection:
        rows = connection.execute(
            _sections()["of_table"], {"table_name": table_name, "limit": limit}
        ).fetchall()
    return tuple(_attempt(row) for row in rows)


def _attempt(row: dict[str, Any]) -> Attempt:
    return Attempt(**{**row, "state": AttemptState(row["state"])})


def _sections() -> dict[str, LiteralString]:
    return read_sections("lake.control", "attempts.sql")

"""The history, activation's too, in the order in which it was finished; what made one snapshot of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lake.postgres import connect, read_sections
from lake.settings import PostgresSettings

KINDS = ("plans", "runs", "evaluations", "audit_results", "promotions", "sync_runs", "sync_deliveries")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """Where a log ends; what comes later has a greater number."""

    log_id: UUID
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One finished row of the history, as JSON values."""

    seq: int
    row: dict[str, Any]


def read_log_end(settings: PostgresSettings) -> LogEnd:
    """Return the end of the log; every row up to it is there for good."""
    sections = _sections()
    with connect(settings) as connection:
        connection.execute(sections["wait_for_writers"])
        log = connection.execute(sections["log_id"]).fetchone()
        last = connection.execute(sections["last"]).fetchone()
    assert log is not None
    assert last is not None
    return LogEnd(log_id=log["id"], seq=last["seq"])


def read_log(
    settings: PostgresSettings, kind: str, *, after: int, last: int, limit: int
) -> tuple[LogRow, ...]:
    """Return the rows of a kind with a number above `after` and up to `last`, in order."""
    values = {"kind": kind, "after": after, "last": last, "limit": limit}
    with connect(settings) as connection:
        rows = connection.execute(_sections()["after"], values).fetchall()
    return tuple(LogRow(seq=row["seq"], row=row["row"]) for row in rows)


def read_origin_of_snapshot(
    settings: PostgresSettings, table_name: str, snapshot_id: int
) -> dict[str, Any] | None:
    """Return the evaluation that published a snapshot, its run and audits; None when none is recorded."""
    with connect(settings) as connection:
        found = connection.execute(
            _sections()["of_snapshot"], {"table_name": table_name, "snapshot_id": snapshot_id}
        ).fetchone()
        if found is None:
            return None
        audits = connection.execute(
            _sections()["audits_of_evaluation"], {"evaluation_id": found["evaluation_id"]}
        ).fetchall()
    return {**found, "audits": audits}


def _sections() -> Any:
    return read_sections("lake.control", "history_log.sql")

"""The append-only audit log: every act is written before it begins and again when it ends."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from lake.postgres import connect, json_value, read_sections
from lake.settings import PostgresSettings


class ActResult(StrEnum):
    """How an act stands."""

    STARTED = "started"  # begun; without a later line it was killed
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # Ctrl-C or SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One line of the log."""

    act_id: UUID
    at: datetime
    actor: str
    act: str
    target: str
    reason: str
    result: ActResult
    detail: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded(
    settings: PostgresSettings, act: str, *, target: str = "", reason: str = "", actor: str | None = None
) -> Iterator[dict[str, Any]]:
    """Log `act` around a block; the yielded dict becomes the detail of its result.

    An act that can't be logged is refused: the UnavailableError comes before the block runs.
    """
    act_id, who = uuid4(), actor or getpass.getuser()
    detail: dict[str, Any] = {}

    def write(result: ActResult) -> None:
        append_act(
            settings,
            act_id=act_id,
            actor=who,
            act=act,
            target=target,
            reason=reason,
            result=result,
            detail=detail,
        )

    write(ActResult.STARTED)
    try:
        yield detail
    except (KeyboardInterrupt, SystemExit):
        write(ActResult.INTERRUPTED)
        raise
    except BaseException as error:
        detail["error"] = type(error).__name__
        write(ActResult.FAILED)
        raise
    write(ActResult.SUCCEEDED)


def append_act(
    settings: PostgresSettings,
    *,
    act_id: UUID,
    actor: str,
    act: str,
    target: str,
    reason: str,
    result: ActResult,
    detail: dict[str, Any],
) -> None:
    """Add one line; the server sets its time."""
    with connect(settings) as connection:
        connection.execute(
            read_sections("lake.control", "audit_log.sql")["append_act"],
            {
                "act_id": act_id,
                "actor": actor,
                "act": act,
                "target": target,
                "reason": reason,
                "result": result.value,
                "detail": json_value(detail),
            },
        )


def read_acts(settings: PostgresSettings, *, limit: int = 100) -> list[Act]:
    """Return the newest lines first."""
    with connect(settings) as connection:
        rows = connection.execute(
            read_sections("lake.control", "audit_log.sql")["newest_acts"], {"limit": limit}
        ).fetchall()
    return [Act(**{**row, "result": ActResult(row["result"])}) for row in rows]

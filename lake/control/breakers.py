"""Circuit breakers of streams: open ones stop landing, in every process, until somebody closes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString

from lake.postgres import connect, json_value, read_sections
from lake.settings import PostgresSettings

RUNS = "runs"  # in `let_through`: the next run of an extract is not judged


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """A breaker as it stands: when and why it opened last, and who closed it.

    `let_through` names up to where records are not judged any more: an offset by `topic/partition`.
    """

    stream: str
    is_open: bool
    opened_at: datetime | None = None
    records: int = 0
    bad: int = 0
    share_limit: float = 0.0
    cause: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""
    reason: str = ""
    let_through: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.bad / self.records if self.records else 0.0


def open_breaker(
    settings: PostgresSettings, stream: str, *, records: int, bad: int, share_limit: float, cause: str
) -> None:
    """Remember that a stream was stopped; one that is open stays as it was opened."""
    with connect(settings) as connection:
        connection.execute(
            _sections()["open"],
            {"stream": stream, "records": records, "bad": bad, "share_limit": share_limit, "cause": cause},
        )


def close_breaker(
    settings: PostgresSettings, stream: str, *, actor: str, reason: str, let_through: Mapping[str, int]
) -> bool:
    """Let a stream land again; False when its breaker was not open."""
    with connect(settings) as connection:
        found = connection.execute(
            _sections()["close"],
            {
                "stream": stream,
                "actor": actor,
                "reason": reason,
                "let_through": json_value(dict(let_through)),
            },
        )
        return found.rowcount > 0


def read_breaker(settings: PostgresSettings, stream: str) -> BreakerState:
    """Return a stream's breaker; one that never opened is closed."""
    return read_breakers(settings, [stream]).get(stream, BreakerState(stream=stream, is_open=False))


def read_breakers(settings: PostgresSettings, streams: Sequence[str]) -> dict[str, BreakerState]:
    """Return the breakers that ever opened, by stream."""
    with connect(settings) as connection:
        rows = connection.execute(_sections()["of_streams"], {"streams": list(streams)}).fetchall()
    return {row["stream"]: BreakerState(**row) for row in rows}


def read_open_breakers(settings: PostgresSettings) -> tuple[BreakerState, ...]:
    """Return every breaker that is open; none in a database that was never migrated."""
    with connect(settings) as connection:
        known = connection.execute(_sections()["is_there"]).fetchone()
        if known is None or not known["is_there"]:
            return ()
        rows = connection.execute(_sections()["all_open"]).fetchall()
    return tuple(BreakerState(**row) for row in rows)


def take_run(settings: PostgresSettings, stream: str) -> bool:
    """Use the one run that somebody let through; False when there is none."""
    with connect(settings) as connection:
        return connection.execute(_sections()["take_run"], {"stream": stream}).rowcount > 0


def _sections() -> dict[str, LiteralString]:
    return read_sections("lake.control", "breakers.sql")

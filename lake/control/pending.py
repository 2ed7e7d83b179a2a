"""Restatements that did not come to their end, with the command that repeats them.

`sqlmesh run` doesn't: the intervals of a failed restatement in prod stay recorded as done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lake.control.history import PlanRecord, Result, read_plans
from lake.postgres import connect
from lake.settings import PostgresSettings

_PLANS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRestatement:
    """Models of one plan that no later plan of the environment has restated."""

    environment: str
    models: tuple[str, ...]
    days: tuple[str, ...]
    result: Result
    at: datetime

    @property
    def command(self) -> str:
        """Return what repeats it."""
        where = "" if self.environment == "prod" else f" {self.environment}"
        models = "".join(f" --restate-model {model}" for model in self.models)
        days = f" --start {self.days[0]} --end {self.days[1]}" if self.days else ""
        return f"sqlmesh plan{where}{models}{days}"


def pending_restatements(settings: PostgresSettings) -> tuple[PendingRestatement, ...]:
    """Return them, newest first; looks at the newest plans. None where nobody has planned yet."""
    with connect(settings) as connection:
        row = connection.execute("SELECT to_regclass('control.plans') AS plans").fetchone()
    if row is None or row["plans"] is None:
        return ()
    return find_pending(read_plans(settings, limit=_PLANS))


def find_pending(plans: tuple[PlanRecord, ...]) -> tuple[PendingRestatement, ...]:
    """Find them among plans, newest first; one that still runs counts as one that was killed."""
    settled: set[tuple[str, str]] = set()
    found = []
    for plan in plans:
        asked = [m for m in plan.changes.get("restated_by_name", ()) if (plan.environment, m) not in settled]
        settled |= {(plan.environment, model) for model in asked}
        if plan.result is not Result.SUCCEEDED and asked:
            found.append(
                PendingRestatement(
                    environment=plan.environment,
                    models=tuple(asked),
                    days=tuple(plan.changes.get("restated_days", ())),
                    result=plan.result,
                    at=plan.started_at,
                )
            )
    return tuple(found)

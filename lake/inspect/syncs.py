"""What the control database remembers about a sync, for its page."""

from __future__ import annotations

from dataclasses import dataclass

from lake.control.activation import count_held, read_rejections, read_sync_plan, read_sync_runs
from lake.control.activation_values import PlanCounts, Rejection, StoredPlan, StoredRun, count_changes
from lake.settings import PostgresSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFacts:
    """The newest plan with its counts, the newest runs and refused records; `held` is the ledger's count."""

    name: str
    plan: StoredPlan | None
    counts: PlanCounts | None
    runs: tuple[StoredRun, ...]
    rejections: tuple[Rejection, ...]
    held: int


def read_sync(settings: PostgresSettings, name: str) -> SyncFacts:
    """Return what is known of one sync; empty when it was never planned."""
    plan = read_sync_plan(settings, name)
    return SyncFacts(
        name=name,
        plan=plan,
        counts=count_changes(plan.changes) if plan else None,
        runs=read_sync_runs(settings, name),
        rejections=read_rejections(settings, name),
        held=count_held(settings, name),
    )

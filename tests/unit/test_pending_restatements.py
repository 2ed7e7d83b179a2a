"""Which restatements are pending: pure, from plans as they are recorded."""

from __future__ import annotations

from datetime import UTC, datetime

from lake.control import PlanRecord, Result, find_pending

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def plan(result: Result, *models: str, environment: str = "prod") -> PlanRecord:
    """Build the record of a plan that restates models."""
    return PlanRecord(
        plan_id="p",
        environment=environment,
        actor="somebody",
        started_at=NOW,
        result=result,
        changes={"restated_by_name": list(models), "restated_days": ["2026-01-01", "2026-01-10"]},
    )


def test_a_failed_restatement_is_pending_until_a_later_one_succeeds() -> None:
    """Per environment and model; newest first; one that was killed counts as failed."""
    failed, killed = plan(Result.FAILED, "a.x", "a.y"), plan(Result.RUNNING, "a.z", environment="dev")
    healed = plan(Result.SUCCEEDED, "a.x")
    found = find_pending((healed, plan(Result.SUCCEEDED, "a.z"), killed, failed))
    assert [(p.environment, p.models) for p in found] == [("dev", ("a.z",)), ("prod", ("a.y",))]
    assert found[1].command == "sqlmesh plan --restate-model a.y --start 2026-01-01 --end 2026-01-10"
    assert found[0].command.startswith("sqlmesh plan dev --restate-model a.z ")


def test_a_restatement_that_failed_twice_shows_once() -> None:
    """And a plan that restates nothing is none."""
    failed = plan(Result.FAILED, "a.x")
    assert len(find_pending((failed, plan(Result.FAILED), failed))) == 1

"""The history of the models: plans, runs, evaluations, audit results and the rows that failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

from lake.postgres import connect, json_value, read_sections
from lake.settings import PostgresSettings

EVIDENCE_ROWS = 100


class RunKind(StrEnum):
    """What started the evaluation of models."""

    PLAN = "plan"
    RUN = "run"
    AUDIT = "audit"


class Result(StrEnum):
    """How a plan, a run or an evaluation ended."""

    RUNNING = "running"  # begun; without an end it was killed
    SUCCEEDED = "succeeded"
    REFUSED = "refused"  # evaluations: a blocking audit failed, nothing was published
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class AuditStatus(StrEnum):
    """What an audit found."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # switched off in the model


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """One applied plan; `changes` lists models under added, modified, indirect, removed and restated,
    and gives each new version's category under categories.
    """

    plan_id: str
    environment: str
    actor: str
    started_at: datetime
    result: Result
    finished_at: datetime | None = None
    error: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One pass over the models of an environment: by a plan, by `run` or by `audit`."""

    run_id: UUID
    kind: RunKind
    environment: str
    actor: str
    started_at: datetime
    result: Result
    plan_id: str = ""
    finished_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model over one half-open interval; `rows` were inserted, `snapshot_id` is the published one."""

    evaluation_id: UUID
    run_id: UUID | None
    model: str
    table_name: str
    fingerprint: str
    interval_start: datetime
    interval_end: datetime
    started_at: datetime
    seconds: float
    engine: str
    result: Result
    rows: int | None = None
    attempt_id: UUID | None = None
    snapshot_id: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One audit of one model over one interval; `failing` is the count of rows it returned."""

    audit_result_id: UUID
    run_id: UUID | None
    evaluation_id: UUID | None
    model: str
    audit: str
    blocking: bool
    status: AuditStatus
    failing: int | None
    at: datetime
    interval_start: datetime | None = None
    interval_end: datetime | None = None
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """At most EVIDENCE_ROWS rows that an audit returned; columns in `masked` hold no value."""

    audit_result_id: UUID
    attempt_id: UUID | None
    rows: list[dict[str, Any]]
    masked: list[str] = field(default_factory=list)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRecord:
    """One view of an environment that a plan pointed to a table or took away (`promoted`, `removed`)."""

    promotion_id: UUID
    plan_id: str
    environment: str
    model: str
    action: str
    at: datetime
    table_name: str = ""
    fingerprint: str = ""


Record = PlanRecord | RunRecord | Evaluation | AuditRecord | Evidence | PromotionRecord

_STATEMENTS: dict[type, str] = {
    PlanRecord: "put_plan",
    RunRecord: "put_run",
    Evaluation: "put_evaluation",
    AuditRecord: "put_audit_result",
    Evidence: "put_evidence",
    PromotionRecord: "put_promotion",
}


def write_history(settings: PostgresSettings, records: Iterable[Record]) -> None:
    """Write records in one transaction; repeating one changes nothing, a run or plan may be ended."""
    sections = read_sections("lake.control", "history.sql")
    with connect(settings) as connection:
        for record in records:
            connection.execute(sections[_STATEMENTS[type(record)]], _values(record))


def read_runs(
    settings: PostgresSettings, *, environment: str | None = None, limit: int = 50
) -> tuple[RunRecord, ...]:
    """Return runs, newest first."""
    rows = _fetch(settings, "runs", environment=environment, limit=limit)
    return tuple(
        RunRecord(**{**row, "kind": RunKind(row["kind"]), "result": Result(row["result"])}) for row in rows
    )


def read_plans(
    settings: PostgresSettings, *, environment: str | None = None, limit: int = 50
) -> tuple[PlanRecord, ...]:
    """Return applied plans, newest first."""
    rows = _fetch(settings, "plans", environment=environment, limit=limit)
    return tuple(PlanRecord(**{**row, "result": Result(row["result"])}) for row in rows)


def read_evaluations(
    settings: PostgresSettings, *, model: str | None = None, run_id: UUID | None = None, limit: int = 100
) -> tuple[Evaluation, ...]:
    """Return evaluations, newest first; `model` is `schema.name`."""
    rows = _fetch(settings, "evaluations", model=model, run_id=run_id, limit=limit)
    return tuple(Evaluation(**{**row, "result": Result(row["result"])}) for row in rows)


def read_recent_evaluations(
    settings: PostgresSettings, models: Iterable[str], *, each: int = 20
) -> dict[str, list[Evaluation]]:
    """Return the newest successful evaluations of each model that wrote rows, newest first."""
    found: dict[str, list[Evaluation]] = {}
    for row in _fetch(settings, "recent_evaluations", models=list(models), each=each):
        found.setdefault(row["model"], []).append(Evaluation(**{**row, "result": Result(row["result"])}))
    return found


def read_audit_results(
    settings: PostgresSettings, *, model: str | None = None, run_id: UUID | None = None, limit: int = 200
) -> tuple[AuditRecord, ...]:
    """Return audit results, passes too, newest first; `model` is `schema.name`."""
    return _audits(_fetch(settings, "audit_results", model=model, run_id=run_id, limit=limit))


def read_latest_audit_results(
    settings: PostgresSettings, *, model: str | None = None, limit: int = 1000
) -> tuple[AuditRecord, ...]:
    """Return the newest result of each audit of each model, by model and audit."""
    return _audits(_fetch(settings, "latest_audit_results", model=model, limit=limit))


def read_evidence(settings: PostgresSettings, audit_result_id: UUID) -> Evidence | None:
    """Return the failing rows kept for one audit result, None when there are none."""
    rows = _fetch(settings, "evidence", audit_result_id=audit_result_id)
    return Evidence(**rows[0]) if rows else None


def _audits(rows: list[dict[str, Any]]) -> tuple[AuditRecord, ...]:
    return tuple(AuditRecord(**{**row, "status": AuditStatus(row["status"])}) for row in rows)


def _fetch(settings: PostgresSettings, section: str, **values: Any) -> list[dict[str, Any]]:
    with connect(settings) as connection:
        return connection.execute(read_sections("lake.control", "history.sql")[section], values).fetchall()


def _values(record: Record) -> dict[str, Any]:
    return {key: _bound(value) for key, value in asdict(record).items()}


def _bound(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return json_value(value) if isinstance(value, dict | list) else value

"""What the control database remembers about models: builds, audits, runs, and when sources were asked."""

from __future__ import annotations

from datetime import datetime

from lake.control import (
    ActResult,
    AuditStatus,
    read_acts,
    read_evaluations,
    read_latest_audit_results,
    read_runs,
)
from lake.inspect.values import AuditLine, BuildLine, RunLine
from lake.settings import PostgresSettings

_EXTRACTING = frozenset({"extract.run", "demo run"})


def read_audits(settings: PostgresSettings) -> tuple[AuditLine, ...]:
    """Return the newest result of every audit, failing ones first."""
    lines = [
        AuditLine(
            model=record.model,
            audit=record.audit,
            passed=record.status is AuditStatus.PASSED,
            blocking=record.blocking,
            failing=record.failing or 0,
            at=record.at,
        )
        for record in read_latest_audit_results(settings)
    ]
    return tuple(sorted(lines, key=lambda line: (line.passed, line.model, line.audit)))


def read_builds(settings: PostgresSettings) -> dict[str, BuildLine]:
    """Return the newest evaluation of each model by name; `through` is the farthest interval's end."""
    builds: dict[str, BuildLine] = {}
    for record in reversed(read_evaluations(settings, limit=1000)):
        earlier = builds.get(record.model)
        builds[record.model] = BuildLine(
            model=record.model,
            result=record.result.value,
            through=max(record.interval_end, earlier.through) if earlier else record.interval_end,
            at=record.started_at,
            seconds=record.seconds,
            rows=record.rows,
            error=record.error,
        )
    return builds


def read_last_runs(settings: PostgresSettings, *, limit: int = 10) -> tuple[RunLine, ...]:
    """Return the newest passes over the models first."""
    return tuple(
        RunLine(
            kind=run.kind.value,
            environment=run.environment,
            actor=run.actor,
            started_at=run.started_at,
            finished_at=run.finished_at,
            result=run.result.value,
            error=run.error,
        )
        for run in read_runs(settings, limit=limit)
    )


def read_last_extract(settings: PostgresSettings) -> datetime | None:
    """Return when the sources were last asked to the end: an extract that finds nothing commits nothing."""
    acts = read_acts(settings, limit=1000)
    return next((a.at for a in acts if a.act in _EXTRACTING and a.result is ActResult.SUCCEEDED), None)

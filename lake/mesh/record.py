"""Turn what SQLMesh did into records of `lake.control`: plans, runs, evaluations, audits, evidence."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlglot import exp, select
from sqlmesh.core.model.definition import AuditResult
from sqlmesh.core.snapshot import Snapshot
from sqlmesh.utils.date import to_datetime

from lake.control import (
    EVIDENCE_ROWS,
    AttemptState,
    AuditRecord,
    AuditStatus,
    Evaluation,
    Evidence,
    PlanRecord,
    Result,
    RunKind,
    RunRecord,
)
from lake.log import get_logger
from lake.mesh.adapter.shared import SharedAdapter
from lake.mesh.errors import StockError
from lake.mesh.evidence import as_rows, personal_columns
from lake.mesh.names import plain_name
from lake.mesh.once import doubles
from lake.mesh.publish import Publication, Work
from lake.mesh.runtime import Runtime

log = get_logger("mesh")

_QUERY_KEPT = 20_000
_ERROR_KEPT = 2_000


@dataclass(slots=True, kw_only=True)
class Note:
    """What the publish around an evaluation learned."""

    publication: Publication | None = None


def model_name(snapshot: Snapshot) -> str:
    """Return `schema.name`, the name that people use."""
    return plain_name(snapshot.name)


def work_of(runtime: Runtime, snapshot: Snapshot, arguments: Mapping[str, Any]) -> Work:
    """Describe one call of the scheduler as the work of one publish."""
    return Work(
        model=model_name(snapshot),
        fingerprint=str(snapshot.version),
        interval_start=to_datetime(arguments["start"]),
        interval_end=to_datetime(arguments["end"]),
        evaluation_id=uuid4(),
        run_id=runtime.run_id,
        once=doubles(snapshot),
    )


@contextmanager
def record_evaluation(
    runtime: Runtime, snapshot: Snapshot, work: Work, arguments: Mapping[str, Any], *, engine: str
) -> Iterator[Note]:
    """Record one model over one interval, however it ends."""
    note, started = Note(), datetime.now(UTC)
    result, reason = Result.SUCCEEDED, ""
    try:
        yield note
    except Exception as error:
        result, reason = Result.FAILED, str(error)[:_ERROR_KEPT]
        raise
    except BaseException:
        result = Result.INTERRUPTED
        raise
    finally:
        publication = note.publication
        if publication is not None and publication.state is AttemptState.REFUSED:
            result = Result.REFUSED
        deployable = arguments["deployability_index"].is_deployable(snapshot)
        written = publication is not None and publication.state is not AttemptState.OPEN
        runtime.history.put(
            Evaluation(
                evaluation_id=work.evaluation_id,
                run_id=work.run_id,
                model=work.model,
                table_name=plain_name(snapshot.table_name(is_deployable=deployable)),
                fingerprint=work.fingerprint,
                interval_start=work.interval_start,
                interval_end=work.interval_end,
                started_at=started,
                seconds=(datetime.now(UTC) - started).total_seconds(),
                engine=engine,
                result=result,
                rows=publication.rows if publication and written else None,
                attempt_id=publication.attempt_id if publication and written else None,
                snapshot_id=publication.snapshot_id if publication else None,
                error=reason,
            )
        )


def record_audits(
    adapter: SharedAdapter,
    snapshot: Snapshot,
    results: Sequence[AuditResult],
    arguments: Mapping[str, Any],
) -> None:
    """Record every result, passes too; of those that failed keep the rows while they can be seen."""
    runtime, now = adapter.runtime, datetime.now(UTC)
    publication = runtime.publication
    start, end = arguments.get("start"), arguments.get("end")
    for found in results:
        record = AuditRecord(
            audit_result_id=uuid4(),
            run_id=runtime.run_id,
            evaluation_id=publication.work.evaluation_id if publication else None,
            model=model_name(snapshot),
            audit=_audit_name(found),
            blocking=found.blocking,
            status=_status(found),
            failing=found.count,
            at=now,
            interval_start=to_datetime(start) if start is not None else None,
            interval_end=to_datetime(end) if end is not None else None,
            query=found.query.sql("duckdb")[:_QUERY_KEPT] if found.query is not None else "",
        )
        runtime.history.put(record)
        if found.count and found.query is not None:
            _keep_rows(adapter, found, record, publication)


def _keep_rows(
    adapter: SharedAdapter, found: AuditResult, record: AuditRecord, publication: Publication | None
) -> None:
    query: Any = found.query
    try:
        adapter.execute(select("*").from_(query.subquery("audit")).limit(EVIDENCE_ROWS))
        cursor = adapter.cursor
        columns = [column[0] for column in cursor.description]
        rows, masked = as_rows(columns, cursor.fetchall(), personal_columns(adapter.runtime.project))
    except StockError as error:
        log.warning("evidence.unread", model=record.model, audit=record.audit, reason=error.message)
        return
    adapter.runtime.history.put_now(
        record,
        Evidence(
            audit_result_id=record.audit_result_id,
            attempt_id=publication.attempt_id if publication and publication.table else None,
            rows=rows,
            masked=masked,
        ),
    )


@contextmanager
def run_recorded(runtime: Runtime, kind: RunKind, environment: str) -> Iterator[Callable[[Any], None]]:
    """Record one pass over an environment; yields the function that takes its errors."""
    record = RunRecord(
        run_id=uuid4(),
        kind=kind,
        environment=environment,
        plan_id=runtime.plan_id,
        actor=getpass.getuser(),
        started_at=datetime.now(UTC),
        result=Result.RUNNING,
    )
    runtime.history.put(record)
    runtime.run_id = record.run_id
    runtime.services.runs.append(record.run_id)
    ended: list[Any] = []
    result, reason = Result.INTERRUPTED, ""
    try:
        yield ended.extend
        result = Result.FAILED if ended else Result.SUCCEEDED
        reason = "; ".join(str(getattr(e, "__cause__", e) or e) for e in ended)[:_ERROR_KEPT]
    except Exception as error:
        result, reason = Result.FAILED, str(error)[:_ERROR_KEPT]
        raise
    finally:
        runtime.run_id = None
        runtime.history.put(replace(record, finished_at=datetime.now(UTC), result=result, error=reason))
        if kind is RunKind.RUN:
            _append(runtime)


@contextmanager
def plan_recorded(runtime: Runtime, plan: Any) -> Iterator[None]:
    """Record one applied plan with what it changed."""
    record = PlanRecord(
        plan_id=plan.plan_id,
        environment=plan.environment.name,
        actor=getpass.getuser(),
        started_at=datetime.now(UTC),
        result=Result.RUNNING,
        changes=_changes(plan, runtime.services.asked.pop(plan.plan_id, frozenset())),
    )
    runtime.history.put(record)
    result, reason = Result.INTERRUPTED, ""
    try:
        yield
        result = Result.SUCCEEDED
    except Exception as error:
        result, reason = Result.FAILED, str(error)[:_ERROR_KEPT]
        raise
    finally:
        runtime.history.put(replace(record, finished_at=datetime.now(UTC), result=result, error=reason))
        runtime.history.flush()
        _append(runtime)


def _append(runtime: Runtime) -> None:
    """Let analysts see it too, beside what goes on; a process that ends waits for it."""
    if not runtime.settings.history.append_seconds:
        return

    def act() -> None:
        from lake.mesh.ops import append_when_due  # noqa: PLC0415  it writes files, which every start would pay for

        append_when_due(runtime.settings)

    runtime.history.afterwards(act)


def _changes(plan: Any, asked: frozenset[str]) -> dict[str, Any]:
    indirect = {i.name for ids in plan.indirectly_modified_snapshots.values() for i in ids}
    direct = {s.name for s in plan.directly_modified_snapshots}
    new = {s.name for s in plan.new_snapshots}
    return {
        "added": sorted(map(plain_name, new - direct - indirect)),
        "modified": sorted(map(plain_name, direct)),
        "indirect": sorted(map(plain_name, indirect)),
        "removed": sorted(plain_name(s.name) for s in plan.removed_snapshots),
        "restated": sorted(map(plain_name, plan.restatements)),
        "categories": {
            plain_name(s.name): s.change_category.name.lower()
            for s in sorted(plan.new_snapshots, key=lambda s: s.name)
            if s.change_category is not None
        },
        "restated_by_name": sorted(map(plain_name, asked)),
        "restated_days": _days(part for name, part in plan.restatements.items() if name in asked),
    }


def _days(intervals: Iterable[tuple[int, int]]) -> list[str]:
    """Return the first and the last day of half-open intervals in milliseconds."""
    parts = list(intervals)
    if not parts:
        return []
    first, end = min(p[0] for p in parts), max(p[1] for p in parts)
    return [to_datetime(first).date().isoformat(), to_datetime(end - 1).date().isoformat()]


def _status(found: AuditResult) -> AuditStatus:
    if found.skipped:
        return AuditStatus.SKIPPED
    return AuditStatus.FAILED if found.count else AuditStatus.PASSED


def _audit_name(found: AuditResult) -> str:
    """Name the audit with its arguments: a model may use one audit twice."""
    arguments = ", ".join(
        f"{key}={value.sql('duckdb') if isinstance(value, exp.Expr) else value}"
        for key, value in sorted(found.audit_args.items())
        if key != "blocking"
    )
    return f"{found.audit.name}({arguments})" if arguments else found.audit.name

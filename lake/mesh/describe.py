"""Describe a plan of SQLMesh as a `PlanSummary`: models, columns, what is missing and what it will cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmesh.core.context import Context
from sqlmesh.core.plan import Plan
from sqlmesh.core.snapshot import Snapshot, SnapshotId
from sqlmesh.core.snapshot.definition import Interval

from lake.control import Evaluation, migrate, read_recent_evaluations
from lake.errors import LakeError
from lake.log import get_logger
from lake.mesh.estimate import Built, Estimate, estimate
from lake.mesh.names import plain_name
from lake.mesh.readers import Reader, read_readers
from lake.mesh.safety import model_files
from lake.mesh.summary import Affected, ColumnChange, How, ModelChange, PlanSummary
from lake.settings import Settings

log = get_logger("mesh")


def describe(context: Context, settings: Settings, plan: Plan) -> PlanSummary:
    """Return what a plan changes; the models upstream first. What the history lacks stays unknown."""
    missing = {item.snapshot_id: item.merged_intervals for item in plan.missing_intervals}
    touched = _touched(plan, missing)
    past = _past(settings, [plain_name(name) for name in touched])
    order = {name: place for place, name in enumerate(context.dag.sorted)}
    models = tuple(
        _change(plan, name, how, missing, past.get(plain_name(name), ()))
        for name, how in sorted(touched.items(), key=lambda item: order.get(item[0], -1))
    )
    readers = read_readers(context.path, model_files(context.models))
    return PlanSummary(
        plan_id=plan.plan_id,
        environment=plan.environment.name,
        applied=False,
        models=models,
        affected=tuple(_affected(readers, models)),
    )


def _touched(plan: Plan, missing: Mapping[SnapshotId, Any]) -> dict[str, How]:
    """Return every model that the plan changes or builds, by SQLMesh's name."""
    diff = plan.context_diff
    found = {s_id.name: How.CAUGHT_UP for s_id in missing}
    found |= {s_id.name: How.RESTATED for s_id in plan.restatements}
    for name in diff.modified_snapshots:
        found[name] = How.METADATA
        if diff.indirectly_modified(name):
            found[name] = How.INDIRECT
        if diff.directly_modified(name):
            found[name] = How.MODIFIED
    found |= {s_id.name: How.ADDED for s_id in diff.added}
    found |= {s_id.name: How.REMOVED for s_id in diff.removed_snapshots}
    return {name: how for name, how in found.items() if _is_built(diff.snapshots_by_name.get(name))}


def _is_built(snapshot: Snapshot | None) -> bool:
    """Tell models from what SQLMesh only knows of: external tables and audits that stand alone."""
    return snapshot is None or (snapshot.is_model and not snapshot.is_external)


def _change(
    plan: Plan,
    name: str,
    how: How,
    missing: Mapping[SnapshotId, Sequence[Interval]],
    past: Sequence[Evaluation],
) -> ModelChange:
    snapshot = plan.context_diff.snapshots_by_name.get(name)
    if snapshot is None:
        return ModelChange(model=plain_name(name), kind="", how=how, category="")
    current, previous = plan.context_diff.modified_snapshots.get(name, (snapshot, None))
    intervals = list(missing.get(snapshot.snapshot_id, ()))
    batches, span = _work(snapshot, intervals)
    cost = _cost(snapshot, past, span=span, batches=batches)
    category = snapshot.change_category
    return ModelChange(
        model=plain_name(name),
        kind=str(snapshot.model_kind_name.value) if snapshot.model_kind_name else "",
        how=how,
        category=_words(category.name) if category is not None and how is not How.CAUGHT_UP else "",
        columns=tuple(column_changes(previous, current)) if previous is not None else (),
        start=_moment(intervals[0][0]) if intervals else None,
        end=_moment(intervals[-1][1]) if intervals else None,
        batches=batches,
        rows=cost.rows,
        seconds=cost.seconds,
    )


def column_changes(previous: Snapshot, current: Snapshot) -> Iterator[ColumnChange]:
    """Yield the differences of two versions' columns; nothing where SQLMesh does not know them."""
    before, after = previous.model.columns_to_types, current.model.columns_to_types
    if before is None or after is None:
        return
    for column in [*after, *(name for name in before if name not in after)]:
        old = before[column].sql("duckdb") if column in before else ""
        new = after[column].sql("duckdb") if column in after else ""
        if old != new:
            yield ColumnChange(column=column, before=old, after=new)


def _work(snapshot: Snapshot, intervals: Sequence[Interval]) -> tuple[int, timedelta]:
    """Return the publishes that the missing intervals take, and the time that they span."""
    span = timedelta(milliseconds=sum(end - start for start, end in intervals))
    if not snapshot.is_incremental_by_time_range and not snapshot.is_incremental_by_unique_key:
        return min(1, len(intervals)), span
    size = snapshot.node.batch_size or getattr(snapshot.model.kind, "batch_size", None)
    unit = snapshot.node.interval_unit
    if not size or unit is None:
        return len(intervals), span
    batch = unit.milliseconds * size
    return sum(math.ceil((end - start) / batch) for start, end in intervals), span


def _cost(snapshot: Snapshot, past: Sequence[Evaluation], *, span: timedelta, batches: int) -> Estimate:
    if snapshot.is_view or snapshot.is_symbolic or snapshot.is_seed:
        return Estimate(rows=0, seconds=0.0)
    built = [
        Built(span=e.interval_end - e.interval_start, rows=e.rows, seconds=e.seconds)
        for e in past
        if e.rows is not None
    ]
    return estimate(built, span=span, batches=batches, by_interval=snapshot.is_incremental_by_time_range)


def _past(settings: Settings, models: Sequence[str]) -> dict[str, list[Evaluation]]:
    try:
        migrate(settings.postgres)
        return read_recent_evaluations(settings.postgres, models)
    except LakeError as error:
        log.warning("history.unread", reason=error.message)
        return {}


def _affected(readers: Sequence[Reader], models: Sequence[ModelChange]) -> Iterator[Affected]:
    changed = {model.model: model for model in models if model.how is not How.METADATA}
    for reader in readers:
        if (model := changed.get(reader.model)) is not None:
            columns = tuple(str(c) for c in model.columns if c.column in reader.columns)
            yield Affected(reader=reader.name, model=reader.model, columns=columns)


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

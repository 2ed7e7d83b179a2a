"""Evaluate an interval once where a second time would double rows.

SQLMesh records an interval after the publish has committed. A process that is killed between the two
leaves rows that SQLMesh doesn't know of; most kinds then replace them, but INCREMENTAL_UNMANAGED
appends, and a MERGE that adds up adds twice. The attempt in PostgreSQL and what it left in the table
(on DuckDB its stamp, on Trino the id of its query) say what landed: that part is recorded, and only the
rest is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmesh.core.scheduler import Scheduler
from sqlmesh.core.snapshot import Snapshot
from sqlmesh.utils.date import now_timestamp, to_datetime

from lake.control import Attempt, AttemptState, mark_recorded, unrecorded_attempts
from lake.errors import LakeError
from lake.log import get_logger
from lake.mesh.errors import as_stock
from lake.mesh.names import plain_name
from lake.mesh.runtime import Runtime
from lake.types import TableName

log = get_logger("mesh")

Part = tuple[datetime, datetime]
Settle = Callable[[TableName, Sequence[Attempt]], dict[UUID, AttemptState]]


def doubles(snapshot: Snapshot) -> bool:
    """Tell whether evaluating an interval of the model again adds its rows again."""
    kind = snapshot.model.kind
    appends = kind.is_incremental_unmanaged and not getattr(kind, "insert_overwrite", False)
    return bool(appends or getattr(kind, "when_matched", None))


def evaluate_rest(
    runtime: Runtime,
    scheduler: Scheduler,
    snapshot: Snapshot,
    arguments: dict[str, Any],
    evaluate: Callable[[dict[str, Any]], list[Any]],
    *,
    settle: Settle,
) -> list[Any]:
    """Record what has landed of the interval in `arguments`, evaluate what has not.

    A restatement asks for the rows again, so it evaluates all. `settle` finds out, as the engine does it,
    what became of attempts whose process said nothing.
    """
    deployable = arguments["deployability_index"].is_deployable(snapshot)
    landed = [] if runtime.restating else _landed(runtime, snapshot, settle, deployable=deployable)
    if not landed:
        return evaluate(arguments)
    start, end = to_datetime(arguments["start"]), to_datetime(arguments["end"])
    for attempt in landed:
        log.info("interval.landed_unrecorded", model=attempt.model, attempt=str(attempt.attempt_id))
        scheduler.state_sync.add_interval(
            snapshot,
            attempt.interval_start,
            attempt.interval_end,
            is_dev=not deployable,
            last_altered_ts=now_timestamp(),
        )
        mark_recorded(runtime.control, attempt.attempt_id)
    results: list[Any] = []
    # A first batch replaces what the table has: these are no first ones.
    batch = max(1, int(arguments["batch_index"]))
    for low, high in missing((start, end), [(a.interval_start, a.interval_end) for a in landed]):
        results += evaluate({**arguments, "start": low, "end": high, "batch_index": batch})
    return results


def missing(whole: Part, there: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a half-open interval that others don't cover, in order."""
    low, end = whole
    for start, stop in sorted(there):
        if low < min(start, end):
            yield low, min(start, end)
        low = max(low, stop)
    if low < end:
        yield low, end


def _landed(runtime: Runtime, snapshot: Snapshot, settle: Settle, *, deployable: bool) -> list[Attempt]:
    table = plain_name(snapshot.table_name(is_deployable=deployable))
    try:
        found = unrecorded_attempts(runtime.control, table, str(snapshot.version))
        unsure = [a for a in found if a.state is not AttemptState.LANDED]
        outcomes = settle(TableName.parse(table), unsure)
    except LakeError as error:
        raise as_stock(error) from error
    return [a for a in found if outcomes.get(a.attempt_id, a.state) is AttemptState.LANDED]

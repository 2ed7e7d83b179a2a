"""The history as tables of the lake, for analysts on any engine: `ops.plans`, `ops.sync_runs` and so on.

Appended in batches, each row once: the number of the last row is a property of the table, set in the
commit that appends the rows, as landing does it with offsets (design §4). Nothing here is on the way of
a plan or a run: it happens after them, beside what goes on, and what is not appended now is appended by
the next call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from lake.catalog import (
    Conflict,
    LakeCatalog,
    PartitionField,
    TableSpec,
    TableState,
    arrow_schema,
    commit,
    ensure_table,
    load_table,
    open_catalog,
    write_files,
)
from lake.catalog.tidy import tidy
from lake.clock import Clock, Deadline, SystemClock
from lake.control import migrate
from lake.control.history_log import KINDS, LogEnd, LogRow, read_log, read_log_end
from lake.errors import ConflictError
from lake.settings import Settings
from lake.types import Field, Primitive, TableName

POSITION = "ops.position"  # <log id>:<number of the last row>
_BATCH = 20_000
_RETAINED = 50
_SECONDS = 120.0
_ATTEMPTS = 5
_APPENDS = 8  # after so many the small files are put together

_T, _S, _L = Primitive.TIMESTAMPTZ, Primitive.STRING, Primitive.LONG
_COLUMNS: dict[str, tuple[str, dict[str, Primitive]]] = {
    "plans": (
        "Applied plans: who, when, what they changed, how they ended",
        {"plan_id": _S, "environment": _S, "actor": _S, "started_at": _T, "finished_at": _T, "result": _S,
         "error": _S, "changes": _S},
    ),
    "runs": (
        "Passes over the models of an environment: by a plan, by run or by audit",
        {"run_id": _S, "kind": _S, "environment": _S, "plan_id": _S, "actor": _S, "started_at": _T,
         "finished_at": _T, "result": _S, "error": _S},
    ),
    "evaluations": (
        "One model over one half-open interval: rows, seconds, engine and the snapshot that was published",
        {"evaluation_id": _S, "run_id": _S, "model": _S, "table_name": _S, "fingerprint": _S,
         "interval_start": _T, "interval_end": _T, "started_at": _T, "seconds": Primitive.DOUBLE, "rows": _L,
         "engine": _S, "attempt_id": _S, "snapshot_id": _L, "result": _S, "error": _S},
    ),
    "audit_results": (
        "Every audit that ran, passes too, with the count of rows that it returned",
        {"audit_result_id": _S, "run_id": _S, "evaluation_id": _S, "model": _S, "audit": _S,
         "blocking": Primitive.BOOLEAN, "status": _S, "failing": _L, "interval_start": _T, "interval_end": _T,
         "at": _T},
    ),
    "promotions": (
        "Which table a view of an environment points to, from when on",
        {"promotion_id": _S, "plan_id": _S, "environment": _S, "model": _S, "action": _S, "table_name": _S,
         "fingerprint": _S, "at": _T},
    ),
    "sync_runs": (
        "Runs of activation: one plan of a sync brought to its destination",
        {"run_id": _S, "sync": _S, "plan_id": _S, "started_at": _T, "finished_at": _T, "state": _S,
         "message": _S, "verified": _L},
    ),
    "sync_deliveries": (
        "Records that a destination has accepted or rejected; whose they are stays in the control database",
        {"delivery_id": _L, "run_id": _S, "settled_by": _S, "sync": _S, "operation": _S, "revision": _L,
         "idempotency_key": _S, "state": _S, "code": _S, "sent_at": _T, "settled_at": _T},
    ),
}  # fmt: skip
_DATED = {
    "plans": "started_at",
    "runs": "started_at",
    "evaluations": "started_at",
    "sync_runs": "started_at",
    "sync_deliveries": "settled_at",
}


def append_when_due(settings: Settings, *, clock: Clock | None = None) -> dict[str, int]:
    """Append when the last time is the settings' seconds ago, as plans and runs do at their end.

    Returns the rows by table, none when it is not due.
    """
    own, clock = settings.history, clock or SystemClock()
    if own.append_seconds == 0:
        return {}
    last = load_table(open_catalog(settings), TableName(schema=own.ops_schema, name="runs"))
    at = last.committed_at if last is not None else None
    if at is not None and clock.now() - at < timedelta(seconds=own.append_seconds):
        return {}
    return append_history(settings, clock=clock)


def append_history(settings: Settings, *, clock: Clock | None = None) -> dict[str, int]:
    """Append what the history has got since the last call; return the rows by table.

    Safe to repeat and to run twice at once. Raises UnavailableError when a service doesn't answer;
    whole batches are in then, and the rest comes with the next call.
    """
    migrate(settings.postgres)
    end = read_log_end(settings.postgres)
    catalog = open_catalog(settings)
    deadline = Deadline.after(_SECONDS, clock or SystemClock())
    return {kind: _append(catalog, settings, kind, end, deadline) for kind in KINDS}


def _append(catalog: LakeCatalog, settings: Settings, kind: str, end: LogEnd, deadline: Deadline) -> int:
    state = ensure_table(catalog, table_spec(settings.history.ops_schema, kind))
    written, conflicts = 0, 0
    while True:
        after = read_position(state, end)
        rows = read_log(settings.postgres, kind, after=after, last=end.seq, limit=_BATCH)
        if not rows:
            if written and state.ancestry[0].sequence % _APPENDS == 0:
                tidy(catalog, state, deadline=deadline, retain=_RETAINED)
            return written
        done = commit(
            catalog,
            state,
            files=write_files(state, _table(kind, rows)),
            properties={POSITION: f"{end.log_id}:{rows[-1].seq}"},
            deadline=deadline,
            retain=_RETAINED,
        )
        state = done.state
        if isinstance(done, Conflict):  # somebody else appends too: look again from where they got to
            conflicts += 1
            if conflicts == _ATTEMPTS:
                raise ConflictError(f"others keep writing {state.name}", hint="lake history append")
            continue
        written += len(rows)


def table_spec(schema: str, kind: str) -> TableSpec:
    """Return the table of one kind of history."""
    description, columns = _COLUMNS[kind]
    return TableSpec(
        name=TableName(schema=schema, name=kind),
        fields=tuple(Field(name=name, type=column) for name, column in columns.items()),
        partition=(PartitionField(column=_DATED.get(kind, "at"), transform="month"),),
        description=description,
    )


def read_position(state: TableState, end: LogEnd) -> int:
    """Return the number of the last row of this log in a table; 0 when another log filled it."""
    log, _, seq = state.properties.get(POSITION, "").partition(":")
    return int(seq) if log == str(end.log_id) else 0


def _table(kind: str, rows: Sequence[LogRow]) -> pa.Table:
    _, columns = _COLUMNS[kind]
    schema = arrow_schema(Field(name=name, type=column) for name, column in columns.items())
    values = {name: list(_values(rows, name, column)) for name, column in columns.items()}
    return pa.Table.from_pydict(values, schema=schema)


def _values(rows: Sequence[LogRow], name: str, kind: Primitive) -> Iterator[Any]:
    for entry in rows:
        value = entry.row.get(name)
        if value is not None and kind is _T:
            value = datetime.fromisoformat(value)
        elif isinstance(value, dict | list):
            value = json.dumps(value, sort_keys=True)
        yield value

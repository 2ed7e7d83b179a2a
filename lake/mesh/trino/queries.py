"""What became of queries on Trino: each has an id before it runs, and its snapshot carries it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlglot import exp

from lake.control import Attempt, AttemptState, settle_older
from lake.mesh import iceberg
from lake.mesh.errors import StockError
from lake.mesh.runtime import Runtime
from lake.mesh.trino.stage import drop_leftovers
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.tables import TableState

QUERY_ID = "trino_query_id"  # where Trino's Iceberg connector puts it in a snapshot's summary
_RUNNING = "SELECT state FROM system.runtime.queries WHERE query_id = ?"
_ENDED = {"FINISHED", "FAILED"}


def settle_by_query(
    runtime: Runtime, adapter: Any, table: TableName, older: Sequence[Attempt]
) -> dict[UUID, AttemptState]:
    """Find out what became of attempts whose process said nothing (step 0); remove their stages.

    Raises StockError while one of them still runs.
    """
    if not older:
        return {}
    for attempt in older:
        if attempt.query_id and not has_ended(adapter, attempt.query_id):
            raise StockError(
                f"{attempt.model}: an earlier publish of {table} still runs on Trino"
                f" (query {attempt.query_id})",
                hint="wait for it, then run the same command again",
            )
    state = iceberg.load_table(runtime.catalog, table)
    outcomes = {}
    for attempt in older:
        landed = snapshot_of(state, attempt.query_id) is not None
        outcomes[attempt.attempt_id] = AttemptState.LANDED if landed else AttemptState.LOST
        drop_leftovers(adapter, exp.to_table(table.quoted, dialect="trino"), attempt.attempt_id.hex[:12])
    settle_older(runtime.control, outcomes)
    return outcomes


def has_ended(adapter: Any, query_id: str) -> bool:
    """Ask Trino whether a query is over; one that it has forgotten is."""
    states: Callable[..., list[Any]] = adapter.ask
    return all(state in _ENDED for (state,) in states(_RUNNING, [query_id]))


def snapshot_of(state: TableState | None, query_id: str) -> int | None:
    """Return the snapshot that a query committed."""
    if state is None or not query_id:
        return None
    for snapshot in reversed(state.handle.metadata.snapshots):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(QUERY_ID) == query_id:
            return int(snapshot.snapshot_id)
    return None

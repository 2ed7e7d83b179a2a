"""The stamp of a publish on DuckDB: a property of the table that names the attempts which landed in it.

It is set in the transaction that publishes, so that it is there exactly when the rows are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from lake.control import Attempt, AttemptState, settle_older
from lake.log import get_logger
from lake.mesh import iceberg
from lake.mesh.runtime import Runtime
from lake.types import TableName, quote_text

log = get_logger("mesh")

STAMP = "publish.attempts"
STAMPS_KEPT = 16  # newest first: an attempt stays recognisable through as many later publishes


def put_stamp(cursor: Any, table: TableName, attempt_id: UUID) -> Mapping[str, str]:
    """Put an attempt first in the table's list, in the open transaction; return the properties before."""
    target = table.quoted
    before = dict(
        cursor.execute(f"SELECT key, value FROM iceberg_table_properties({target})").fetchall()  # noqa: S608  quoted name
    )
    stamps = [str(attempt_id), *read_stamps(before.get(STAMP))][:STAMPS_KEPT]
    cursor.execute(
        f"CALL set_iceberg_table_properties({target}, {{'{STAMP}': {quote_text(json.dumps(stamps))}}})"
    ).fetchall()
    return before


def read_stamps(value: str | None) -> tuple[str, ...]:
    """Return the attempts that a table's property names, newest first."""
    return tuple(json.loads(value)) if value else ()


def settle_by_stamp(runtime: Runtime, table: TableName, older: Sequence[Attempt]) -> dict[UUID, AttemptState]:
    """Find out what became of attempts whose process said nothing (step 0 of `lake.mesh.publish`)."""
    if not older:
        return {}
    state = iceberg.load_table(runtime.catalog, table)
    landed = read_stamps(state.properties.get(STAMP) if state else None)
    outcomes = {
        attempt.attempt_id: AttemptState.LANDED if str(attempt.attempt_id) in landed else AttemptState.LOST
        for attempt in older
    }
    for attempt_id, outcome in outcomes.items():
        log.info("attempt.settled", table=str(table), attempt=str(attempt_id), state=outcome.value)
    settle_older(runtime.control, outcomes)
    return outcomes

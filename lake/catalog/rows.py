"""Read few rows of a table back; queries over many rows belong to an SQL engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo, GreaterThanOrEqual

from lake.catalog.errors import mapped
from lake.catalog.tables import TableState

# Their own constructors take (term, literal); type checkers see pydantic's.
_equal: Any = EqualTo
_at_least: Any = GreaterThanOrEqual


def read_rows(
    state: TableState,
    columns: Sequence[str],
    *,
    equal: Mapping[str, str | int] | None = None,
    at_least: Mapping[str, str | int] | None = None,
) -> pa.Table:
    """Return columns of the rows at `state`'s main where all conditions hold, in no order.

    Times and dates in conditions are ISO 8601 text. Files are skipped by their statistics.
    """
    condition: BooleanExpression = AlwaysTrue()
    for column, value in (equal or {}).items():
        condition = And(condition, _equal(column, value))
    for column, value in (at_least or {}).items():
        condition = And(condition, _at_least(column, value))
    with mapped(f"read {state.name}"):
        return state.handle.scan(
            row_filter=condition, selected_fields=tuple(columns), snapshot_id=state.main
        ).to_arrow()

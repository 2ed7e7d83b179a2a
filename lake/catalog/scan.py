"""Read a few columns of a table without an engine: for bookkeeping, not for analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo, GreaterThanOrEqual, LessThan

from lake.catalog.errors import mapped
from lake.catalog.tables import TableState

# pyiceberg's constructors take a column's name and a value; their annotations say something else.
_equal: Callable[[str, str | int], BooleanExpression] = cast("Any", EqualTo)
_at_least: Callable[[str, str | int], BooleanExpression] = cast("Any", GreaterThanOrEqual)
_below: Callable[[str, int], BooleanExpression] = cast("Any", LessThan)
_both: Callable[[BooleanExpression, BooleanExpression], BooleanExpression] = cast("Any", And)


def read_rows(
    state: TableState,
    *,
    columns: Sequence[str],
    equal: Mapping[str, str | int] | None = None,
    between: Mapping[str, tuple[int, int]] | None = None,
) -> pa.Table:
    """Return `columns` of the rows of main whose values match.

    `equal` asks for values, `between` for half-open ranges [low, high); both prune files first.
    """
    wanted: BooleanExpression = AlwaysTrue()
    for name, value in (equal or {}).items():
        wanted = _both(wanted, _equal(name, value))
    for name, (low, high) in (between or {}).items():
        wanted = _both(wanted, _both(_at_least(name, low), _below(name, high)))
    with mapped(f"read {state.name}"):
        return state.handle.scan(row_filter=wanted, selected_fields=tuple(columns)).to_arrow()


def read_batches(
    state: TableState,
    *,
    columns: Sequence[str],
    equal: Mapping[str, str | int] | None = None,
    at_least: Mapping[str, str | int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield `columns` of the rows of main whose values match, one data file in memory at a time.

    `equal` asks for values, `at_least` leaves out smaller ones; both prune files first.
    """
    # It loads pandas, which those who only read the catalog would wait for.
    from pyiceberg.io.pyarrow import ArrowScan  # noqa: PLC0415

    if state.main is None:
        return
    wanted: BooleanExpression = AlwaysTrue()
    for name, value in (equal or {}).items():
        wanted = _both(wanted, _equal(name, value))
    for name, value in (at_least or {}).items():
        wanted = _both(wanted, _at_least(name, value))
    table = state.handle
    with mapped(f"read {state.name}"):
        scan = table.scan(row_filter=wanted, selected_fields=tuple(columns))
        rows = ArrowScan(table.metadata, table.io, scan.projection(), wanted)
        for file in scan.plan_files():
            yield from rows.to_record_batches([file])

"""What a constant expression in a statement means as a moment; the engine itself says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from sqlglot import exp

from lake.errors import BadInputError
from lake.mesh.travel import DIALECT

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(cursor: Any, expression: exp.Expr) -> datetime:
    """Evaluate `TIMESTAMP '…'`, `now() - INTERVAL 1 DAY` and the like on a DuckDB cursor; no zone means UTC.

    Raises BadInputError for what is no moment.
    """
    text = expression.sql(DIALECT)
    try:
        row = cursor.execute(f"SELECT epoch_us(CAST({text} AS TIMESTAMPTZ))").fetchone()
    except duckdb.Error as error:
        raise BadInputError(
            f"AT (TIMESTAMP => {text}): no moment", hint="write TIMESTAMP '2026-11-01 00:00:00'"
        ) from error
    if row is None or row[0] is None:
        raise BadInputError(
            f"AT (TIMESTAMP => {text}): no moment", hint="write TIMESTAMP '2026-11-01 00:00:00'"
        )
    return _EPOCH + timedelta(microseconds=row[0])

"""Types as Trino has them: what DuckDB writes, with nothing lost, and what Trino answers, as Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

if TYPE_CHECKING:
    import pyarrow as pa

_T = exp.DataType.Type
_ZONED = {_T.TIMESTAMPTZ, _T.TIMESTAMPLTZ}
_TIMES = {
    *_ZONED,
    *(_T.TIMESTAMP, _T.TIMESTAMPNTZ, _T.DATETIME, _T.TIMESTAMP_S, _T.TIMESTAMP_MS, _T.TIMESTAMP_NS),
}


def microseconds(tree: exp.Expr) -> exp.Expr:
    """Return the tree with six digits in every timestamp type that names none.

    DuckDB's and Iceberg's timestamps have microseconds, a bare TIMESTAMP in Trino only milliseconds:
    a cast there would round the value. The argument stays as it is.
    """
    copy = tree.copy()
    for kind in copy.find_all(exp.DataType):
        if kind.this in _TIMES and not kind.expressions:
            written = _T.TIMESTAMPTZ if kind.this in _ZONED else _T.TIMESTAMP
            six = exp.DataTypeParam(this=exp.Literal.number(6))
            kind.replace(exp.DataType(this=written, expressions=[six]))
    return copy


def arrow_schema(columns: dict[str, str]) -> pa.Schema:
    """Return columns that Trino described by its type names as Arrow's."""
    selected = ", ".join(
        exp.cast(exp.null(), exp.DataType.build(kind, dialect="trino"))
        .as_(name, quoted=True)
        .sql(dialect="duckdb")
        for name, kind in columns.items()
    )
    with duckdb.connect() as engine:
        return engine.execute(f"SELECT {selected}").to_arrow_table().schema

"""Text of what the adapter creates: tables in Iceberg's types and partitions, views in each dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from lake.errors import first_line
from lake.log import get_logger
from lake.mesh.errors import StockError
from lake.mesh.trino.types import microseconds
from lake.types import TableName, quote_identifier, quote_text

log = get_logger("mesh")

_T = exp.DataType.Type
# DuckDB has types that Iceberg lacks; the next wider one keeps every value.
_WIDER = {
    _T.TINYINT: "INT",
    _T.SMALLINT: "INT",
    _T.UTINYINT: "INT",
    _T.USMALLINT: "INT",
    _T.UINT: "BIGINT",
    _T.UBIGINT: "DECIMAL(20, 0)",
    _T.INT128: "DECIMAL(38, 0)",
    _T.UINT128: "DECIMAL(38, 0)",
    _T.TIMESTAMP_S: "TIMESTAMP",
    _T.TIMESTAMP_MS: "TIMESTAMP",
    _T.TIMESTAMP_NS: "TIMESTAMP",
    _T.JSON: "VARCHAR",
    _T.ENUM: "VARCHAR",
}
_ABSENT = {_T.INTERVAL, _T.UNKNOWN, _T.NULL, _T.UNION, _T.BIT, _T.TIMETZ}
_UNITS: dict[type[exp.Expr], str] = {exp.Year: "year", exp.Month: "month", exp.Day: "day", exp.Hour: "hour"}
_SIZED: dict[type[exp.Expr], str] = {
    exp.PartitionedByBucket: "bucket",
    exp.PartitionByTruncate: "truncate",
    exp.Trunc: "truncate",
}
_TIMES = (_T.DATE, _T.TIMESTAMP, _T.TIMESTAMPTZ, _T.TIMESTAMPNTZ, _T.DATETIME)
# Applied to every table; what a model says in physical_properties wins.
_PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
}


def iceberg_columns(name: TableName, types: Mapping[str, exp.DataType]) -> dict[str, exp.DataType]:
    """Return the columns in types that Iceberg has.

    Raises StockError naming the columns whose type is unknown or has no place there.
    """
    wrong = [f"{column} {kind.sql('duckdb')}" for column, kind in types.items() if kind.this in _ABSENT]
    if wrong or not types:
        raise StockError(
            f"{name}: no Iceberg type for {', '.join(wrong) or 'its columns'}",
            hint="cast the columns in the model's last SELECT",
        )
    return {column: _wider(kind) for column, kind in types.items()}


def create_table_sql(
    name: TableName,
    columns: Mapping[str, exp.DataType],
    *,
    partitioned_by: Sequence[exp.Expr] | None,
    properties: Mapping[str, exp.Expr] | None,
    exists: bool,
) -> str:
    """Return DuckDB's CREATE TABLE for Iceberg."""
    body = ", ".join(f"{quote_identifier(column)} {kind.sql('duckdb')}" for column, kind in columns.items())
    sql = f"CREATE TABLE {'IF NOT EXISTS ' if exists else ''}{name.quoted} ({body})"
    if partitioned_by:
        sql += f" PARTITIONED BY ({', '.join(partition(name, cut, columns) for cut in partitioned_by)})"
    given = {key: value.name for key, value in (properties or {}).items() if "." in key}
    pairs = ", ".join(
        f"{quote_text(key)} = {quote_text(value)}" for key, value in {**_PROPERTIES, **given}.items()
    )
    return f"{sql} WITH ({pairs})"


def partition(name: TableName, cut: exp.Expr, columns: Mapping[str, exp.DataType]) -> str:
    """Return one partition transform as Iceberg names it.

    A plain date or timestamp is cut by month: days of a few thousand rows cost more in files than
    they save in reads. Write day(column) in the model where days are large.
    """
    kind = columns.get(cut.name.lower()) if isinstance(cut, exp.Column) else None
    if isinstance(cut, exp.Column):
        plain = quote_identifier(cut.name)
        return f"month({plain})" if kind is not None and kind.this in _TIMES else plain
    if isinstance(cut, exp.TimestampTrunc | exp.DateTrunc):
        unit = str(cut.args["unit"].name).lower()
        if unit in _UNITS.values():
            return f"{unit}({quote_identifier(cut.this.name)})"
    if type(cut) in _UNITS:
        return f"{_UNITS[type(cut)]}({quote_identifier(cut.this.name)})"
    word = cut.name if isinstance(cut, exp.Anonymous) else _SIZED.get(type(cut), "")
    numbers = [size.name for size in cut.find_all(exp.Literal)]
    names = [column.name for column in cut.find_all(exp.Column)]
    if word.lower() in _SIZED.values() and len(numbers) == 1 and len(names) == 1:
        return f"{word.lower()}({numbers[0]}, {quote_identifier(names[0])})"
    raise StockError(
        f"{name}: can't partition by {cut.sql('duckdb')}",
        hint="use a column, year(c), month(c), day(c), hour(c), bucket(n, c) or truncate(n, c)",
    )


def view_texts(query: exp.Query, columns: Sequence[str]) -> dict[str, str]:
    """Return a view's query per dialect with its columns listed.

    Trino refuses a view with `*` once its table has got a column. A query that has no equal in
    Trino gets no trino text: better no view there than a wrong one.
    """
    listed = _listed(query, columns)
    texts = {"duckdb": listed.sql("duckdb", identify=True, comments=False)}
    try:
        texts["trino"] = microseconds(listed).sql(
            "trino", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE
        )
    except UnsupportedError as error:
        log.warning("view.duckdb_only", reason=first_line(error))
    return texts


def _listed(query: exp.Query, columns: Sequence[str]) -> exp.Query:
    if not any(item.is_star for item in query.selects):
        return query
    names = [exp.column(column, quoted=True) for column in columns]
    bare = {key for key, value in query.args.items() if value} <= {"expressions", "from_", "kind"}
    if bare and isinstance(query.args["from_"].this, exp.Table) and len(query.selects) == 1:
        return exp.select(*names).from_(query.args["from_"].this.copy())
    return exp.select(*names).from_(query.copy().subquery("q"))


def _wider(kind: exp.DataType) -> exp.DataType:
    if kind.this in _WIDER:
        return exp.DataType.build(_WIDER[kind.this], dialect="duckdb")
    if not kind.expressions or kind.this not in {_T.STRUCT, _T.ARRAY, _T.LIST, _T.MAP}:
        return kind
    copy = kind.copy()
    for part in copy.expressions:
        inner = part.args.get("kind") if isinstance(part, exp.ColumnDef) else part
        if isinstance(inner, exp.DataType):
            inner.replace(_wider(inner))
    return copy

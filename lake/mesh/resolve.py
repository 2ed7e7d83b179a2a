"""Inline the catalog's views into a query: DuckDB can't read Iceberg views, so it never sees one.

Pure: it rewrites syntax trees and asks a `find` function what a name means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from lake.errors import ConfigurationError, first_line
from lake.mesh.travel import DIALECT, carry, enclose
from lake.types import CATALOG, TableName

# What a view may be written in when it has no duckdb text, best first.
_FALLBACKS = ("trino", "spark")
_WRITES = (exp.Insert, exp.Delete, exp.Update, exp.Merge, exp.Create, exp.Drop, exp.Alter)
# Schemas that every DuckDB database has, and names of databases that read like a schema.
_SYSTEM = frozenset({"information_schema", "pg_catalog", "main", "memory", "temp", "system"})
# What stands beside a table's name and belongs to its place in the query, not to the name.
_KEPT = ("pivots", "joins", "laterals", "sample", "hints")
_PARSED_KEPT = 1024  # view texts whose trees are remembered; a text means the same for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewText:
    """The query behind a view: one text per dialect."""

    sql: Mapping[str, str]


Find = Callable[[TableName], ViewText | None]


def inline_views(statement: exp.Expr, find: Find) -> exp.Expr:
    """Return the statement with every view that it reads replaced by the view's query.

    The argument stays as it is. Targets of writes are left alone. Names are compared as DuckDB does,
    without regard to case, and `schema.table` comes back as `lake.schema.table`.
    Raises ConfigurationError for views that refer to each other in a circle or can't be parsed,
    BadInputError for time travel on a view that is more than a selection of columns of one table.
    """
    return enclose(_inline(statement.copy(), find, ()))


def tables_read(statement: exp.Expr) -> frozenset[TableName]:
    """Return the names of the lake that a statement reads, views not looked into."""
    return frozenset(name for table in _reads(statement) if (name := table_name(table)) is not None)


def table_name(table: exp.Table) -> TableName | None:
    """Return a table's name in the lake; None for CTEs, functions, other catalogs and odd names."""
    if not isinstance(table.this, exp.Identifier) or not table.db:
        return None
    if (table.catalog or CATALOG).lower() != CATALOG:
        return None
    if not table.catalog and table.db.lower() in _SYSTEM:
        return None
    try:
        return TableName(schema=table.db.lower(), name=table.name.lower())
    except ValueError:
        return None


def parse_view(name: TableName, view: ViewText) -> exp.Query:
    """Return a view's query as a tree of its own, its names qualified by the view's schema.

    The duckdb text is preferred, else another is translated.

    Raises ConfigurationError when the text is in no language that we know, wrong, or has no equal in DuckDB.
    """
    dialect = next((d for d in (DIALECT, *_FALLBACKS) if d in view.sql), None)
    if dialect is None:
        raise ConfigurationError(
            f"view {name} is written for {', '.join(sorted(view.sql))} only",
            hint=f"replace it with a view that has a {DIALECT} text",
        )
    try:
        query = _parsed(view.sql[dialect], dialect, name.schema)
    except SqlglotError as error:
        raise ConfigurationError(
            f"view {name}: its {dialect} text can't be read: {first_line(error)}",
            hint=f"replace it with a view that has a {DIALECT} text",
        ) from error
    if not isinstance(query, exp.Query):
        raise ConfigurationError(f"view {name}: its {dialect} text is no query")
    return query.copy()


def view_reads(name: TableName, view: ViewText) -> frozenset[TableName]:
    """Return the names that a view reads; raises as `parse_view` does."""
    return _reads_of(name, tuple(sorted(view.sql.items())))


@lru_cache(maxsize=_PARSED_KEPT)
def _reads_of(name: TableName, texts: tuple[tuple[str, str], ...]) -> frozenset[TableName]:
    return tables_read(parse_view(name, ViewText(sql=dict(texts))))


@lru_cache(maxsize=_PARSED_KEPT)
def _parsed(text: str, dialect: str, schema: str) -> exp.Expr:
    """Parse a view's text; one in another dialect goes through DuckDB's, so that what it lacks shows here."""
    tree: exp.Expr = sqlglot.parse_one(text, dialect=dialect)
    if dialect != DIALECT:
        tree = _translated(tree)
    if isinstance(tree, exp.Query):
        _qualify(tree, schema)
    return tree


def _translated(tree: exp.Expr) -> exp.Expr:
    for table in tree.find_all(exp.Table):
        if (version := table.args.get("version")) is not None:
            table.set("version", None)
            table.set("when", exp.HistoricalData(this="AT", kind=version.name, expression=version.expression))
    translated: exp.Expr = sqlglot.parse_one(
        enclose(tree).sql(DIALECT, unsupported_level=ErrorLevel.RAISE), dialect=DIALECT
    )
    return translated


def _inline(
    tree: exp.Expr, find: Find, path: tuple[TableName, ...], asked: TableName | None = None
) -> exp.Expr:
    """Inline below one name after the other; `asked` is the view whose past the statement asks for."""
    for table in list(_reads(tree)):
        name = table_name(table)
        if name is None:
            continue
        view = find(name)
        if view is None:
            table.set("catalog", exp.to_identifier(CATALOG))
            continue
        if name in path:
            circle = " -> ".join(str(part) for part in (*path[path.index(name) :], name))
            raise ConfigurationError(f"views refer to each other in a circle: {circle}")
        query = parse_view(name, view)
        when = table.args.get("when")
        if when is not None:
            carry(query, when, asked or name)
        inner = _inline(query, find, (*path, name), (asked or name) if when is not None else None)
        if table is tree:
            return inner
        _unqualify_columns(table)
        table.replace(_subquery(table, inner))
    return tree


def _reads(tree: exp.Expr) -> Iterator[exp.Table]:
    return (table for table in tree.find_all(exp.Table) if not _is_target(table))


def _is_target(table: exp.Table) -> bool:
    node: exp.Expr = table
    if isinstance(node.parent, exp.Schema) and node.arg_key == "this":
        node = node.parent
    return node.arg_key == "this" and isinstance(node.parent, _WRITES)


def _subquery(table: exp.Table, query: exp.Expr) -> exp.Expr:
    """Put the view's query where its name stood, under the name that the query around it uses."""
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
    if isinstance(table.parent, exp.Describe | exp.Summarize):
        return query
    kept: dict[str, Any] = {key: table.args[key] for key in _KEPT if table.args.get(key)}
    return exp.Subquery(this=query, alias=alias.copy(), **kept)


def _qualify(query: exp.Query, schema: str) -> None:
    """Give names without a schema the view's own, so that no CTE around the view can catch them."""
    for table in list(query.find_all(exp.Table)):
        if isinstance(table.this, exp.Identifier) and not table.db and not _is_cte(table):
            table.set("db", exp.to_identifier(schema, quoted=True))


def _is_cte(table: exp.Table) -> bool:
    node: exp.Expr | None = table
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None and any(cte.alias.lower() == table.name.lower() for cte in with_.expressions):
            return True
        node = node.parent
    return False


def _unqualify_columns(table: exp.Table) -> None:
    """Turn `schema.view.column` into `view.column`: the subquery has only an alias."""
    select = table.find_ancestor(exp.Select)
    if select is None:
        return
    for column in select.find_all(exp.Column):
        if column.args.get("db") is not None and (column.table.lower(), column.args["db"].name.lower()) == (
            table.name.lower(),
            table.db.lower(),
        ):
            column.set("db", None)
            column.set("catalog", None)

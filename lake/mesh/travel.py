"""Time travel: to the table beneath a view, and from a moment to the snapshot that stood then. Pure.

DuckDB picks a snapshot by its own time stamp, and answers with no rows before the first one. A publish
adds a half-way snapshot that nobody was to see, so moments are looked up in the snapshot log instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from lake.errors import BadInputError, first_line
from lake.types import TableName

DIALECT = "duckdb"
# Which snapshot of a table stood at the moment that a constant expression names.
SnapshotAt = Callable[[TableName, exp.Expr], int]


class _TravellingParser(DuckDBParser):
    """DuckDB writes `t AS a AT (VERSION => 1)`, sqlglot reads only `t AT (VERSION => 1) AS a`: read both."""

    def _parse_table_alias(self, alias_tokens: Any = None) -> exp.TableAlias | None:
        alias: exp.TableAlias | None = super()._parse_table_alias(alias_tokens)
        if alias is not None and (when := self._parse_historical_data()) is not None:
            alias.meta["when"] = when
        return alias


class _Travelling(DuckDB):
    Parser = _TravellingParser


def parse(sql: str) -> list[exp.Expr]:
    """Return the statements of a text; raises BadInputError with the parser's reason."""
    try:
        statements: list[Any] = sqlglot.parse(sql, dialect=_Travelling)
    except SqlglotError as error:
        raise BadInputError(f"the SQL can't be parsed: {_reason(error)}") from error
    found = [statement for statement in statements if statement is not None]
    for statement in found:
        for table in statement.find_all(exp.Table):
            alias = table.args.get("alias")
            if alias is not None and (when := alias.meta.pop("when", None)) is not None:
                table.set("when", when)
    return found


def carry(query: exp.Query, when: exp.Expr, asked: TableName) -> None:
    """Carry `AT (…)` to what a view reads, if the view only selects columns of one table or view.

    Raises BadInputError naming the view that was asked for when it computes.
    """
    source = query.args.get("from_")
    plain = (
        isinstance(query, exp.Select)
        and source is not None
        and isinstance(source.this, exp.Table)
        and not any(value for key, value in query.args.items() if key not in {"expressions", "from_", "kind"})
        and not any(source.this.args.get(key) for key in ("joins", "sample", "pivots", "laterals"))
        and all(isinstance(item.unalias(), exp.Column | exp.Star) for item in query.expressions)
    )
    if not plain or source is None:
        raise BadInputError(
            f"{asked} is computed from its tables, so it has no versions of its own",
            hint="use AT (…) on the tables that the view reads",
        )
    if source.this.args.get("when") is not None:
        raise BadInputError(f"{asked} shows one version of its table already", hint="leave AT (…) out")
    source.this.set("when", when.copy())


def pin(tree: exp.Expr, name_of: Callable[[exp.Table], TableName | None], at: SnapshotAt) -> None:
    """Replace each `AT (TIMESTAMP => …)` on a table of the lake by the version that stood then."""
    for table in _travelling(tree):
        when, name = table.args["when"], name_of(table)
        if name is not None and str(when.args["kind"]).upper() == "TIMESTAMP":
            version = exp.Literal.number(at(name, when.expression))
            table.set("when", exp.HistoricalData(this="AT", kind="VERSION", expression=version))


def enclose(tree: exp.Expr) -> exp.Expr:
    """Put each travelling table with an alias into a subquery: the two don't print in DuckDB's order."""
    for table in list(_travelling(tree)):
        if (alias := table.args.get("alias")) is None:
            continue
        inner = table.copy()
        kept = {
            key: inner.args.pop(key) for key in ("joins", "laterals", "sample", "pivots") if key in inner.args
        }
        inner.set("alias", None)
        table.replace(exp.Subquery(this=exp.select("*").from_(inner), alias=alias.copy(), **kept))
    return tree


def _travelling(tree: exp.Expr) -> Iterator[exp.Table]:
    return (table for table in tree.find_all(exp.Table) if table.args.get("when") is not None)


def _reason(error: SqlglotError) -> str:
    return first_line(error).replace("\x1b[4m", "").replace("\x1b[0m", "")

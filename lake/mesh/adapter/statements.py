"""Run statements: views inlined, writes joined to the open publish, errors as messages."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import duckdb
from sqlglot import exp
from sqlmesh.core.engine_adapter.duckdb import DuckDBEngineAdapter
from typing_extensions import override

from lake.errors import BadInputError, LakeError
from lake.mesh.adapter.shared import SharedAdapter
from lake.mesh.engine import engine_error
from lake.mesh.errors import StockError, as_stock
from lake.mesh.lookup import resolve
from lake.mesh.missing import explained
from lake.mesh.moment import moment_of
from lake.mesh.resolve import table_name
from lake.mesh.travel import parse
from lake.types import CATALOG

_WRITES = (exp.Insert, exp.Delete, exp.Update, exp.Merge)
_READING = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:\(|(?:select|with|from|describe|desc|summarize|values)\b)", re.IGNORECASE
)


class StatementAdapter(SharedAdapter, DuckDBEngineAdapter):
    """DuckDB's adapter on one catalog whose views DuckDB can't see."""

    @override
    def get_current_catalog(self) -> str:
        return CATALOG

    @override
    def set_current_catalog(self, catalog: str) -> None:
        if catalog != CATALOG:
            raise StockError(f"there is one catalog, {CATALOG}; {catalog} is none")

    @override
    def execute(
        self,
        expressions: Any,
        ignore_unsupported_errors: bool = False,
        quote_identifiers: bool = True,
        track_rows_processed: bool = False,
        **kwargs: Any,
    ) -> None:
        """Run statements with the views inlined; a write to a lake table joins the open publish."""
        statements = expressions if isinstance(expressions, list | tuple) else [expressions]
        for statement in statements:
            prepared = self._prepared(statement)
            if isinstance(prepared, _WRITES):
                self._join_publish(prepared)
            try:
                super().execute(
                    prepared,
                    ignore_unsupported_errors=ignore_unsupported_errors,
                    quote_identifiers=quote_identifiers,
                    **kwargs,
                )
            except StockError as error:
                self._explain(error, statement)
            if isinstance(prepared, _WRITES):
                self._count(prepared)

    def resolve(self, statement: exp.Expr) -> exp.Expr:
        """Return a statement with the catalog's views inlined, as of now."""
        try:
            return resolve(
                statement, self.runtime.catalog, moment_of=lambda when: moment_of(self.cursor, when)
            )
        except LakeError as error:
            raise as_stock(error) from error

    def _explain(self, error: StockError, statement: exp.Expr | str) -> NoReturn:
        """Raise the error, or a better one where a view has lost its table."""
        parsed = _parsed(statement) if isinstance(statement, str) else statement
        if parsed is None or (better := explained(error, parsed, self.runtime.catalog)) is error:
            raise error
        raise as_stock(better) from error

    def _prepared(self, statement: exp.Expr | str) -> exp.Expr | str:
        if isinstance(statement, str):
            parsed = _parsed(statement)
            return statement if parsed is None or (resolved := self.resolve(parsed)) == parsed else resolved
        if isinstance(statement, exp.Drop | exp.Alter | exp.Use):
            return statement
        return self.resolve(statement)

    @override
    def _execute(self, sql: str, track_rows_processed: bool = False, **kwargs: Any) -> None:
        try:
            self.cursor.execute(sql, **kwargs)
        except duckdb.Error as error:
            raise as_stock(engine_error(self.runtime.settings, "run a statement", error)) from error

    def _count(self, write: exp.Expr) -> None:
        """Hand on the number of rows, with which DuckDB answers a write."""
        row = self.cursor.fetchone()
        if row is None or not isinstance(row[0], int):
            return
        inserts = isinstance(write, exp.Insert | exp.Merge)
        if inserts:
            self._record_execution_stats("", row[0])
        if (publication := self.runtime.publication) is not None:
            publication.rows += row[0] if inserts else 0
            publication.replaced |= row[0] > 0 and not isinstance(write, exp.Insert)

    def _join_publish(self, write: exp.Expr) -> None:
        target = write.find(exp.Table)
        name = table_name(target) if target is not None else None
        if name is not None and (publication := self.runtime.publication) is not None:
            publication.begin(self.cursor, name)


def _parsed(sql: str) -> exp.Expr | None:
    """Parse a statement that may read views; None for what only DuckDB itself can judge."""
    if not _READING.match(sql):
        return None
    try:
        [statement] = parse(sql)
    except (BadInputError, ValueError):  # or several statements
        return None
    return statement

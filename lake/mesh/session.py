"""A read-only session on the lake: attached, views resolved, no SQLMesh.

What `lake sql`, the console and activation use to read marts by the names that people use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lake.catalog.open import LakeCatalog, open_catalog
from lake.catalog.views import list_schemas
from lake.errors import BadInputError, RefusedError
from lake.mesh.engine import mapped_engine, open_engine
from lake.mesh.lookup import CatalogViews, in_environment
from lake.mesh.resolve import Find, inline_views
from lake.settings import Settings

PROD = "prod"
_READS = (exp.Query, exp.Describe, exp.Summarize, exp.Pivot, exp.Values)
_EXPLAIN = "explain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """DuckDB on the lake for reading; not for several threads at once."""

    settings: Settings
    catalog: LakeCatalog
    connection: duckdb.DuckDBPyConnection

    def query(self, sql: str, *, environment: str = PROD, parameters: Sequence[object] = ()) -> pa.Table:
        """Return the rows of one reading statement as an Arrow table.

        Names mean the views of `environment` where it has one, else prod's. Values are bound to `?`.
        Raises RefusedError for a statement that writes, BadInputError for one that is wrong,
        UnavailableError when a service doesn't answer.
        """
        text = self.prepare(sql, environment=environment)
        with mapped_engine(self.settings, "query"):
            return self.connection.execute(text, list(parameters)).to_arrow_table()

    def prepare(self, sql: str, *, environment: str = PROD) -> str:
        """Return the statement as DuckDB gets it: its views inlined."""
        explain, statement = _parse(sql)
        resolved = inline_views(statement, self._find(environment)).sql("duckdb")
        return f"EXPLAIN {resolved}" if explain else resolved

    def _find(self, environment: str) -> Find:
        views = CatalogViews(self.catalog)
        name = environment.lower().replace("-", "_")
        if name == PROD:
            return views
        if not any(schema.endswith(f"__{name}") for schema in list_schemas(self.catalog)):
            raise BadInputError(f"there is no environment {environment}", hint=f"sqlmesh plan {environment}")
        return in_environment(views, name)


@contextmanager
def open_session(settings: Settings) -> Iterator[Session]:
    """Yield a session; raises UnavailableError naming the service that doesn't answer."""
    catalog = open_catalog(settings)
    connection = open_engine(settings, read_only=True)
    try:
        yield Session(settings=settings, catalog=catalog, connection=connection)
    finally:
        connection.close()


def _parse(sql: str) -> tuple[bool, exp.Expr]:
    """Return whether the statement asks for a plan, and the statement itself; refuse all but reading."""
    text = sql.strip().rstrip(";")
    explain = text[: len(_EXPLAIN)].lower() == _EXPLAIN
    try:
        statements: list[Any] = sqlglot.parse(text[len(_EXPLAIN) :] if explain else text, dialect="duckdb")
    except SqlglotError as error:
        raise BadInputError(f"the SQL can't be parsed: {_reason(error)}") from error
    found = [statement for statement in statements if statement is not None]
    if len(found) != 1:
        raise BadInputError("write one statement", hint='lake sql "SELECT …"')
    if not isinstance(found[0], _READS):
        raise RefusedError(
            f"{found[0].key.upper()} is no reading statement", hint="change models and run sqlmesh plan"
        )
    return explain, found[0]


def _reason(error: SqlglotError) -> str:
    return str(error).splitlines()[0].replace("\x1b[4m", "").replace("\x1b[0m", "")

"""A read-only session on the lake: attached, views resolved, no SQLMesh.

What `lake sql`, the console and activation use to read marts by the names that people use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from sqlglot import exp

from lake.catalog.open import LakeCatalog, open_catalog
from lake.catalog.views import list_schemas
from lake.errors import BadInputError, RefusedError
from lake.mesh.engine import mapped_engine, open_engine
from lake.mesh.lookup import resolve
from lake.mesh.missing import explained
from lake.mesh.moment import moment_of
from lake.mesh.travel import DIALECT, parse
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
        try:
            with mapped_engine(self.settings, "query"):
                return self.connection.execute(text, list(parameters)).to_arrow_table()
        except BadInputError as error:
            suffix = self._suffix(environment)
            better = explained(error, _parse(sql)[1], self.catalog, environment=suffix)
            if better is error:
                raise
            raise better from error

    def prepare(self, sql: str, *, environment: str = PROD) -> str:
        """Return the statement as DuckDB gets it: its views inlined."""
        explain, statement = _parse(sql)
        with mapped_engine(self.settings, "prepare a query"):
            resolved = resolve(
                statement,
                self.catalog,
                environment=self._suffix(environment),
                moment_of=lambda when: moment_of(self.connection, when),
            )
        return f"{'EXPLAIN ' if explain else ''}{resolved.sql(DIALECT)}"

    def _suffix(self, environment: str) -> str:
        """Return what SQLMesh appends to schemas in an environment, nothing for prod."""
        name = environment.lower().replace("-", "_")
        if name == PROD:
            return ""
        if not any(schema.endswith(f"__{name}") for schema in list_schemas(self.catalog)):
            raise BadInputError(f"there is no environment {environment}", hint=f"sqlmesh plan {environment}")
        return name


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
    found = parse(text[len(_EXPLAIN) :] if explain else text)
    if len(found) != 1:
        raise BadInputError("write one statement", hint='lake sql "SELECT …"')
    if not isinstance(found[0], _READS):
        raise RefusedError(
            f"{found[0].key.upper()} is no reading statement", hint="change models and run sqlmesh plan"
        )
    return explain, found[0]

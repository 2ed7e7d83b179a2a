"""SQLMesh's engine adapter for DuckDB on the lake's Iceberg catalog.

Tables are DuckDB's business. Views are kept in the catalog and inlined while a query is prepared.
Writes to a table join the publish that the scheduler has open for this thread (`lake.mesh.publish`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlmesh.core.dialect import to_schema
from sqlmesh.core.engine_adapter.base import EngineAdapter
from sqlmesh.core.engine_adapter.duckdb import DuckDBEngineAdapter
from sqlmesh.core.engine_adapter.shared import (
    CatalogSupport,
    CommentCreationTable,
    CommentCreationView,
    DataObject,
    DataObjectType,
    SourceQuery,
)

from lake.catalog.tables import drop_table, list_tables
from lake.catalog.views import ViewSpec, drop_view, list_views, put_view
from lake.errors import LakeError
from lake.mesh.ddl import create_table_sql, iceberg_columns, view_texts
from lake.mesh.engine import CATALOG, engine_error
from lake.mesh.errors import StockError, as_stock
from lake.mesh.resolve import inline_views, table_name
from lake.mesh.runtime import CatalogViews, Runtime
from lake.types import TableName

if TYPE_CHECKING:
    from sqlmesh.core._typing import SchemaName
    from sqlmesh.core._typing import TableName as StockName
    from sqlmesh.core.engine_adapter._typing import QueryOrDF

_WRITES = (exp.Insert, exp.Delete, exp.Update, exp.Merge)
_READING = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:\(|(?:select|with|from|describe|desc|summarize|values)\b)", re.IGNORECASE
)


class LakeEngineAdapter(DuckDBEngineAdapter):
    """DuckDB with the lake attached."""

    # What the engine can and can't do here.
    SUPPORTS_TRANSACTIONS = False  # SQLMesh's own would commit before the audits have run
    SUPPORTS_REPLACE_TABLE = False  # CREATE OR REPLACE is missing, and would show an unaudited table
    SUPPORTS_CREATE_DROP_CATALOG = False  # one catalog for all names
    SUPPORTED_DROP_CASCADE_OBJECT_KINDS: list[str] = []  # noqa: RUF012  the base class declares it so
    SUPPORTS_CLONING = False
    SUPPORTS_MATERIALIZED_VIEWS = False
    SUPPORTS_MANAGED_MODELS = False
    SUPPORTS_GRANTS = False
    SUPPORTS_QUERY_EXECUTION_TRACKING = True  # rows of INSERT
    COMMENT_CREATION_TABLE = CommentCreationTable.UNSUPPORTED  # COMMENT ON is missing
    COMMENT_CREATION_VIEW = CommentCreationView.UNSUPPORTED  # written with the view instead

    @property
    def catalog_support(self) -> CatalogSupport:
        return CatalogSupport.FULL_SUPPORT

    @property
    def runtime(self) -> Runtime:
        """What all clones of this adapter share."""
        runtime: Runtime = self._extra_config["runtime"]
        return runtime

    def get_current_catalog(self) -> str:
        return CATALOG

    def set_current_catalog(self, catalog: str) -> None:
        if catalog != CATALOG:
            raise StockError(f"there is one catalog, {CATALOG}; {catalog} is none")

    # -- statements ------------------------------------------------------------------------------

    def execute(
        self,
        expressions: Any,
        ignore_unsupported_errors: bool = False,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        quote_identifiers: bool = True,  # noqa: FBT001, FBT002  see above
        track_rows_processed: bool = False,  # noqa: FBT001, FBT002  see above
        **kwargs: Any,
    ) -> None:
        """Run statements with the views inlined; a write to a lake table joins the open publish."""
        statements = expressions if isinstance(expressions, list | tuple) else [expressions]
        for statement in statements:
            prepared = self._prepared(statement)
            if isinstance(prepared, _WRITES):
                self._join_publish(prepared)
                track_rows_processed = True
            super().execute(
                prepared,
                ignore_unsupported_errors=ignore_unsupported_errors,
                quote_identifiers=quote_identifiers,
                track_rows_processed=track_rows_processed,
                **kwargs,
            )

    def resolve(self, statement: exp.Expr) -> exp.Expr:
        """Return a statement with the catalog's views inlined, as of now."""
        try:
            return inline_views(statement, CatalogViews(self.runtime.catalog))
        except LakeError as error:
            raise as_stock(error) from error

    def _prepared(self, statement: exp.Expr | str) -> exp.Expr | str:
        if isinstance(statement, str):
            parsed = _parsed(statement)
            return statement if parsed is None or (resolved := self.resolve(parsed)) is parsed else resolved
        if isinstance(statement, exp.Drop | exp.Alter | exp.Use):
            return statement
        return self.resolve(statement)

    def _execute(self, sql: str, track_rows_processed: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002  SQLMesh's
        try:
            self.cursor.execute(sql, **kwargs)
            if track_rows_processed and sql.rstrip().upper().startswith(("INSERT", "MERGE", "/*")):
                self._count(sql)
        except duckdb.Error as error:
            raise as_stock(engine_error(self.runtime.settings, "run a statement", error)) from error

    def _count(self, sql: str) -> None:
        """DuckDB answers a write with its number of rows."""
        row = self.cursor.fetchone()
        if row is None or not isinstance(row[0], int):
            return
        self._record_execution_stats(sql, row[0])
        if (publication := self.runtime.publication) is not None:
            publication.rows += row[0]

    def _join_publish(self, write: exp.Expr) -> None:
        target = write.find(exp.Table)
        name = table_name(target) if target is not None else None
        if name is not None and (publication := self.runtime.publication) is not None:
            publication.begin(self.cursor, name)

    # -- what exists -----------------------------------------------------------------------------

    def table_exists(self, table_name: StockName) -> bool:
        return self.get_data_object(table_name) is not None

    def _get_data_objects(
        self, schema_name: SchemaName, object_names: set[str] | None = None
    ) -> list[DataObject]:
        """List tables and views as the catalog has them; DuckDB knows no views and caches tables."""
        schema = to_schema(schema_name).db
        catalog = self.runtime.catalog
        try:
            found = [(n, DataObjectType.TABLE) for n in list_tables(catalog, schema)]
            found += [(n, DataObjectType.VIEW) for n in list_views(catalog, schema)]
        except LakeError as error:
            raise as_stock(error) from error
        return [
            DataObject(catalog=CATALOG, schema=schema, name=name.name, type=kind)
            for name, kind in found
            if not object_names or name.name in object_names
        ]

    # -- views -----------------------------------------------------------------------------------

    def create_view(
        self,
        view_name: StockName,
        query_or_df: QueryOrDF,
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        replace: bool = True,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        materialized: bool = False,  # noqa: FBT001, FBT002  see above
        materialized_properties: dict[str, Any] | None = None,
        table_description: str | None = None,
        column_descriptions: dict[str, str] | None = None,
        view_properties: dict[str, exp.Expr] | None = None,
        source_columns: list[str] | None = None,
        **create_kwargs: Any,
    ) -> None:
        """Put a view into the catalog, in place when it exists, with its columns listed."""
        del target_columns_to_types, materialized_properties, view_properties, source_columns, create_kwargs
        name = self._lake_name(view_name)
        if materialized or not isinstance(query_or_df, exp.Query):
            raise StockError(
                f"{name}: a view here is a query that is not stored", hint="give the model kind FULL"
            )
        present = self.get_data_object(view_name)
        if present is not None and not replace and present.type.is_view:
            return
        self.drop_data_object_on_type_mismatch(present, DataObjectType.VIEW)
        columns = self._arrow_schema(query_or_df)
        try:
            put_view(
                self.runtime.catalog,
                ViewSpec(
                    name=name,
                    sql=view_texts(query_or_df, columns.names),
                    columns=columns,
                    description=table_description or "",
                    column_descriptions=column_descriptions or {},
                ),
            )
        except LakeError as error:
            raise as_stock(error) from error
        self._clear_data_object_cache(view_name)

    def drop_view(
        self,
        view_name: StockName,
        ignore_if_not_exists: bool = True,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        materialized: bool = False,  # noqa: FBT001, FBT002  see above
        **kwargs: Any,
    ) -> None:
        del materialized, kwargs
        name = self._lake_name(view_name)
        try:
            dropped = drop_view(self.runtime.catalog, name)
        except LakeError as error:
            raise as_stock(error) from error
        self._clear_data_object_cache(view_name)
        if not dropped and not ignore_if_not_exists:
            raise StockError(f"there is no view {name}")

    def _arrow_schema(self, query: exp.Query) -> Any:
        """Ask the engine for a query's columns without running it."""
        probe = exp.select("*").from_(query.copy().subquery("q")).limit(0)
        self.execute(probe)
        return self.cursor.to_arrow_table().schema

    # -- tables ----------------------------------------------------------------------------------

    def replace_query(
        self,
        table_name: StockName,
        query_or_df: QueryOrDF,
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        table_description: str | None = None,
        column_descriptions: dict[str, str] | None = None,
        source_columns: list[str] | None = None,
        supports_replace_table_override: bool | None = None,  # noqa: FBT001  the signature is SQLMesh's
        **kwargs: Any,
    ) -> None:
        """Replace all rows by DELETE and INSERT; a missing table is created empty first.

        The empty table is no hazard: nothing points at a new physical table before it is promoted.
        """
        del supports_replace_table_override
        target = exp.to_table(table_name)
        present = self.get_data_object(target)
        if self.drop_data_object_on_type_mismatch(present, DataObjectType.TABLE) or present is None:
            types, _ = self._columns_to_types(query_or_df, target_columns_to_types, source_columns)
            known = types is not None and all(not t.is_type("unknown", "null") for t in types.values())
            if not known and isinstance(query_or_df, exp.Query):
                types = self._types_of(query_or_df)
            self.create_table(target, types or {}, **kwargs)
        super().replace_query(
            target,
            query_or_df,
            target_columns_to_types,
            source_columns=source_columns,
            supports_replace_table_override=False,
        )

    def _create_table(
        self,
        table_name_or_schema: exp.Schema | StockName,
        expression: exp.Expr | None,
        exists: bool = True,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        replace: bool = False,  # noqa: FBT001, FBT002  see above
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        table_description: str | None = None,
        column_descriptions: dict[str, str] | None = None,
        table_kind: str | None = None,
        track_rows_processed: bool = True,  # noqa: FBT001, FBT002  see above
        **kwargs: Any,
    ) -> None:
        """Create a table in Iceberg's types, partitioned; with a query, fill it."""
        del replace, table_description, column_descriptions, table_kind
        is_schema = isinstance(table_name_or_schema, exp.Schema)
        table = exp.to_table(table_name_or_schema.this if is_schema else table_name_or_schema)
        if not table.db:
            self._create_temporary(table, expression, target_columns_to_types)
            return
        name = self._lake_name(table)
        types = target_columns_to_types
        if expression is not None:
            types = self._types_of(expression)
        sql = create_table_sql(
            name,
            iceberg_columns(name, types or {}),
            partitioned_by=kwargs.get("partitioned_by"),
            properties=kwargs.get("table_properties"),
            exists=exists,
        )
        self.execute(sql)
        self._clear_data_object_cache(table)
        if isinstance(expression, exp.Query) and not _is_empty(expression):
            self._insert_append_query(
                table,
                expression,
                types or {},
                order_projections=False,
                track_rows_processed=track_rows_processed,
            )

    def _create_temporary(
        self, table: exp.Table, query: exp.Expr | None, types: dict[str, exp.DataType] | None
    ) -> None:
        if query is None:
            query = exp.select(
                *(
                    exp.cast(exp.null(), kind).as_(column, quoted=True)
                    for column, kind in (types or {}).items()
                )
            ).where(exp.false())
        self.execute(
            exp.Create(
                this=table,
                kind="TABLE",
                expression=query,
                properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
            )
        )

    def _types_of(self, query: exp.Expr) -> dict[str, exp.DataType]:
        self.execute(exp.Describe(this=query.copy()))
        return {
            column: exp.DataType.build(kind, dialect=self.dialect)
            for column, kind, *_ in self.cursor.fetchall()
        }

    def _drop_object(
        self,
        name: StockName | SchemaName,
        exists: bool = True,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        kind: str = "TABLE",
        cascade: bool = False,  # noqa: FBT001, FBT002  see above
        **drop_args: Any,
    ) -> None:
        """Drop a table through the catalog, so that what DuckDB has cached can't get in the way."""
        table = exp.to_table(name)
        if kind.upper() != "TABLE" or not table.db:
            EngineAdapter._drop_object(self, name, exists=exists, kind=kind, cascade=False, **drop_args)
            return
        lake_name = self._lake_name(table)
        if (publication := self.runtime.publication) is not None:
            publication.abandon(lake_name)
        try:
            dropped = drop_table(self.runtime.catalog, lake_name)
        except LakeError as error:
            raise as_stock(error) from error
        self._clear_data_object_cache(table)
        if not dropped and not exists:
            raise StockError(f"there is no table {lake_name}")

    def drop_schema(
        self,
        schema_name: SchemaName,
        ignore_if_not_exists: bool = True,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        cascade: bool = False,  # noqa: FBT001, FBT002  see above
        **drop_args: Any,
    ) -> None:
        if cascade:
            for item in self._get_data_objects(schema_name):
                self.drop_data_object(item)
        super().drop_schema(schema_name, ignore_if_not_exists, cascade=False, **drop_args)

    # -- temporary data: never in another database, or the transaction of a publish breaks ---------

    def _get_temp_table(
        self,
        table: StockName,
        table_only: bool = False,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        quoted: bool = True,  # noqa: FBT001, FBT002  see above
    ) -> exp.Table:
        del table_only
        return super()._get_temp_table(table, table_only=True, quoted=quoted)

    @contextmanager
    def temp_table(
        self,
        query_or_df: QueryOrDF,
        name: StockName = "diff",
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        source_columns: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[exp.Table]:
        """Yield a TEMP table of this thread's session with the rows of a query or frame."""
        del kwargs
        sources, types = self._get_source_queries_and_columns_to_types(
            query_or_df,
            target_columns_to_types=target_columns_to_types,
            target_table=name,
            source_columns=source_columns,
        )
        table = self._get_temp_table(name)
        self._create_table_from_source_queries(table, sources, types, exists=True, track_rows_processed=False)
        try:
            yield table
        finally:
            self.drop_table(table)

    def _df_to_source_queries(
        self,
        df: Any,
        target_columns_to_types: dict[str, exp.DataType],
        batch_size: int,
        target_table: StockName,
        source_columns: list[str] | None = None,
    ) -> list[SourceQuery]:
        """Hand a frame over as a registered Arrow view of this thread's session: no copy, no file."""
        del batch_size
        name = self._get_temp_table(target_table)
        self.cursor.register(name.name, df)
        casted = exp.select(*self._casted_columns(target_columns_to_types, source_columns)).from_(name)
        return [
            SourceQuery(
                query_factory=lambda: casted.copy(),
                cleanup_func=lambda: self.cursor.unregister(name.name),
            )
        ]

    def _lake_name(self, name: Any) -> TableName:
        found = table_name(exp.to_table(name))
        if found is None:
            raise StockError(
                f"{exp.to_table(name).sql(dialect=self.dialect)} is no name of the lake",
                hint="use a-z, 0-9 and _ in names of models, schemas and environments",
            )
        return found


def _parsed(sql: str) -> exp.Expr | None:
    """Parse a statement that may read views; None for what only DuckDB itself can judge."""
    if not _READING.match(sql):
        return None
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except SqlglotError:
        return None


def _is_empty(query: exp.Query) -> bool:
    limit = query.args.get("limit")
    return isinstance(limit, exp.Limit) and limit.expression == exp.Literal.number(0)

"""Tables as SQLMesh creates, replaces and drops them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlmesh.core.engine_adapter.base import EngineAdapter
from sqlmesh.core.engine_adapter.duckdb import DuckDBEngineAdapter
from sqlmesh.core.engine_adapter.shared import DataObjectType
from typing_extensions import override

from lake.errors import LakeError
from lake.log import get_logger
from lake.mesh import iceberg
from lake.mesh.adapter.views import ViewAdapter
from lake.mesh.ddl import create_table_sql, iceberg_columns
from lake.mesh.errors import StockError, as_stock
from lake.types import TableName

log = get_logger("mesh")

if TYPE_CHECKING:
    from sqlmesh.core._typing import SchemaName
    from sqlmesh.core._typing import TableName as StockName
    from sqlmesh.core.engine_adapter._typing import QueryOrDF


class TableAdapter(ViewAdapter):
    """Iceberg's types and partitions; nothing is replaced by drop and create."""

    @override
    def replace_query(
        self,
        table_name: StockName,
        query_or_df: QueryOrDF,
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        table_description: str | None = None,
        column_descriptions: dict[str, str] | None = None,
        source_columns: list[str] | None = None,
        supports_replace_table_override: bool | None = None,
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
            self.create_table(
                target,
                types or {},
                table_description=table_description,
                column_descriptions=column_descriptions,
                **kwargs,
            )
        super().replace_query(
            target,
            query_or_df,
            target_columns_to_types,
            source_columns=source_columns,
            supports_replace_table_override=False,
        )

    @override
    def _create_table(
        self,
        table_name_or_schema: exp.Schema | StockName,
        expression: exp.Expr | None,
        exists: bool = True,
        replace: bool = False,
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        table_description: str | None = None,
        column_descriptions: dict[str, str] | None = None,
        table_kind: str | None = None,
        track_rows_processed: bool = True,
        **kwargs: Any,
    ) -> None:
        """Create a table in Iceberg's types, partitioned; with a query, fill it."""
        del replace, table_description, column_descriptions, table_kind
        named: Any = table_name_or_schema
        table = exp.to_table(named.this if isinstance(named, exp.Schema) else named)
        if not table.db:
            self._create_temporary(table, expression, target_columns_to_types)
            return
        name = self.lake_name(table)
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
        try:
            self.execute(sql)
        except StockError as error:
            # The catalog may have answered 409 to our own request sent twice, or lost its answer.
            if not exists or not self._is_there(name):
                raise
            log.info("table.created_unacknowledged", table=str(name), reason=error.message)
        self._clear_data_object_cache(table)
        if isinstance(expression, exp.Query) and not _is_empty(expression):
            self._insert_append_query(
                table,
                expression,
                types or {},
                order_projections=False,
                track_rows_processed=track_rows_processed,
            )

    def _is_there(self, name: TableName) -> bool:
        try:
            return iceberg.load_table(self.runtime.catalog, name) is not None
        except LakeError as error:
            raise as_stock(error) from error

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

    @override
    def merge(
        self,
        target_table: StockName,
        source_table: QueryOrDF,
        target_columns_to_types: dict[str, exp.DataType] | None,
        unique_key: Sequence[exp.Expr],
        when_matched: exp.Whens | None = None,
        merge_filter: exp.Expr | None = None,
        source_columns: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Replace rows by key: DELETE and INSERT, which is faster, unless the model says what MERGE does."""
        how = EngineAdapter.merge if when_matched or merge_filter else DuckDBEngineAdapter.merge
        how(
            self,
            target_table,
            source_table,
            target_columns_to_types,
            unique_key,
            when_matched=when_matched,
            merge_filter=merge_filter,
            source_columns=source_columns,
        )

    @override
    def _merge(self, target_table: StockName, query: exp.Query, on: exp.Expr, whens: exp.Whens) -> None:
        """Name the columns that MERGE sets without their table, as DuckDB wants them."""
        for update in whens.find_all(exp.Update):
            for assignment in update.expressions:
                assignment.set("this", exp.column(assignment.this.name, quoted=True))
        super()._merge(target_table, query, on, whens)

    @override
    def _drop_object(
        self,
        name: StockName | SchemaName,
        exists: bool = True,
        kind: str = "TABLE",
        cascade: bool = False,
        **drop_args: Any,
    ) -> None:
        """Drop a table through the catalog, so that what DuckDB has cached can't get in the way."""
        table = exp.to_table(name)
        if kind.upper() != "TABLE" or not table.db:
            super()._drop_object(name, exists=exists, kind=kind, cascade=False, **drop_args)
            return
        lake_name = self.lake_name(table)
        if (publication := self.runtime.publication) is not None:
            publication.abandon(lake_name)
        try:
            dropped = iceberg.drop_table(self.runtime.catalog, lake_name)
        except LakeError as error:
            raise as_stock(error) from error
        self._clear_data_object_cache(table)
        if not dropped and not exists:
            raise StockError(f"there is no table {lake_name}")

    @override
    def drop_schema(
        self,
        schema_name: SchemaName,
        ignore_if_not_exists: bool = True,
        cascade: bool = False,
        **drop_args: Any,
    ) -> None:
        if cascade:
            for item in self._get_data_objects(schema_name):
                self.drop_data_object(item)
        super().drop_schema(schema_name, ignore_if_not_exists, cascade=False, **drop_args)


def _is_empty(query: exp.Query) -> bool:
    limit = query.args.get("limit")
    return isinstance(limit, exp.Limit) and limit.expression == exp.Literal.number(0)

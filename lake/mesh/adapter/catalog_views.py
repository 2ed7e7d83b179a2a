"""Views of the catalog as SQLMesh creates, lists and drops them, on whichever engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlmesh.core.dialect import to_schema
from sqlmesh.core.engine_adapter.shared import DataObject, DataObjectType
from typing_extensions import override

from lake.errors import LakeError
from lake.mesh import iceberg
from lake.mesh.adapter.shared import SharedAdapter
from lake.mesh.ddl import view_texts
from lake.mesh.errors import StockError, as_stock
from lake.mesh.hidden import HIDDEN, read_hidden
from lake.mesh.resolve import table_name
from lake.types import CATALOG

if TYPE_CHECKING:
    from sqlmesh.core._typing import SchemaName
    from sqlmesh.core._typing import TableName as StockName
    from sqlmesh.core.engine_adapter._typing import QueryOrDF


class CatalogViews(SharedAdapter):
    """What exists, as the catalog says: an engine may know no views, or cache tables."""

    @override
    def table_exists(self, table_name: StockName) -> bool:
        return self.get_data_object(table_name) is not None

    @override
    def _get_data_objects(
        self, schema_name: SchemaName, object_names: set[str] | None = None
    ) -> list[DataObject]:
        """List tables and views as the catalog has them."""
        schema = to_schema(schema_name).db
        catalog = self.runtime.catalog
        try:
            found = [(n, DataObjectType.TABLE) for n in iceberg.list_tables(catalog, schema)]
            found += [(n, DataObjectType.VIEW) for n in iceberg.list_views(catalog, schema)]
        except LakeError as error:
            raise as_stock(error) from error
        return [
            DataObject(catalog=CATALOG, schema=schema, name=name.name, type=kind)
            for name, kind in found
            if not object_names or name.name in object_names
        ]

    @override
    def create_view(
        self,
        view_name: StockName,
        query_or_df: QueryOrDF,
        target_columns_to_types: dict[str, exp.DataType] | None = None,
        replace: bool = True,
        materialized: bool = False,
        materialized_properties: dict[str, Any] | None = None,
        table_description: str | None = None,
        column_descriptions: dict[str, str] | None = None,
        view_properties: dict[str, exp.Expr] | None = None,
        source_columns: list[str] | None = None,
        **create_kwargs: Any,
    ) -> None:
        """Put a view into the catalog, in place when it exists, with its columns listed."""
        del target_columns_to_types, materialized_properties, view_properties, source_columns, create_kwargs
        name = self.lake_name(view_name)
        if materialized or not isinstance(query_or_df, exp.Query):
            raise StockError(
                f"{name}: a view here is a query that is not stored", hint="give the model kind FULL"
            )
        present = self.get_data_object(view_name)
        if present is not None and not replace and present.type.is_view:
            return
        self.drop_data_object_on_type_mismatch(present, DataObjectType.VIEW)
        try:
            columns = self._columns_beneath(query_or_df)
            if columns is None:
                columns = self._arrow_schema(query_or_df)
            names = [column.name for column in getattr(columns, "fields", columns)]
            iceberg.put_view(
                self.runtime.catalog,
                iceberg.ViewSpec(
                    name=name,
                    sql=view_texts(query_or_df, names),
                    columns=columns,
                    is_new=present is None,
                    description=table_description or "",
                    column_descriptions=column_descriptions or {},
                ),
            )
        except LakeError as error:
            raise as_stock(error) from error
        self._clear_data_object_cache(view_name)

    @override
    def drop_view(
        self,
        view_name: StockName,
        ignore_if_not_exists: bool = True,
        materialized: bool = False,
        **kwargs: Any,
    ) -> None:
        del materialized, kwargs
        name = self.lake_name(view_name)
        try:
            dropped = iceberg.drop_view(self.runtime.catalog, name)
        except LakeError as error:
            raise as_stock(error) from error
        self._clear_data_object_cache(view_name)
        if not dropped and not ignore_if_not_exists:
            raise StockError(f"there is no view {name}")

    def _columns_beneath(self, query: exp.Query) -> Any:
        """Return the columns of `SELECT * FROM table` as the catalog has them; None for any other query."""
        source = query.args.get("from_")
        alone = {key for key, value in query.args.items() if value} <= {"expressions", "from_", "kind"}
        if not (alone and len(query.selects) == 1 and query.is_star and source is not None):
            return None
        if not isinstance(source.this, exp.Table) or (name := table_name(source.this)) is None:
            return None
        return iceberg.columns_of(
            self.runtime.catalog, name, hidden=lambda properties: read_hidden(properties.get(HIDDEN))
        )

    def _arrow_schema(self, query: exp.Query) -> Any:
        """Return the columns of a query as Arrow's schema, without running it."""
        raise NotImplementedError

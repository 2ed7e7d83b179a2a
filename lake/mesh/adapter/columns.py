"""What DuckDB says of a table's columns: hidden ones, inside a transaction too, and its types."""

from __future__ import annotations

from typing import Any

import duckdb
from sqlglot import exp
from typing_extensions import override

from lake.mesh.adapter.catalog_columns import CatalogColumns
from lake.mesh.adapter.statements import StatementAdapter
from lake.mesh.hidden import HIDDEN, read_hidden
from lake.types import quote_text


class ColumnAdapter(CatalogColumns, StatementAdapter):
    """Schema evolution and descriptions, each in one commit."""

    @override
    def _hidden(self, table: exp.Table) -> frozenset[str]:
        if not table.db:
            return frozenset()
        name = self.lake_name(table)
        sql = f"SELECT value FROM iceberg_table_properties({name.quoted}) WHERE key = {quote_text(HIDDEN)}"  # noqa: S608  quoted
        try:
            row = self.cursor.execute(sql).fetchone()
        except duckdb.CatalogException:  # a view: DuckDB doesn't know it
            return frozenset()
        hidden = read_hidden(row[0] if row else None)
        if hidden:
            self.runtime.with_hidden.add(name)
        return hidden

    @override
    def _arrow_type(self, kind: exp.DataType) -> Any:
        """Ask the engine how it hands a type over."""
        self.execute(exp.select(exp.cast(exp.null(), kind).as_("c")))
        return self.cursor.to_arrow_table().schema.field(0).type

"""Views of the catalog: DuckDB can't read them, so it is asked for their columns."""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from typing_extensions import override

from lake.mesh.adapter.catalog_views import CatalogViews
from lake.mesh.adapter.columns import ColumnAdapter


class ViewAdapter(CatalogViews, ColumnAdapter):
    """DuckDB's adapter with the catalog's views."""

    @override
    def _arrow_schema(self, query: exp.Query) -> Any:
        """Ask the engine for a query's columns without running it."""
        self.execute(exp.select("*").from_(query.copy().subquery("q")).limit(0))
        return self.cursor.to_arrow_table().schema

"""Temporary data of one session: never in another database, or the transaction of a publish breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlmesh.core.engine_adapter.shared import SourceQuery
from typing_extensions import override

from lake.mesh.adapter.tables import TableAdapter

if TYPE_CHECKING:
    from sqlmesh.core._typing import TableName as StockName
    from sqlmesh.core.engine_adapter._typing import QueryOrDF


class TemporaryAdapter(TableAdapter):
    """TEMP tables and registered frames in place of tables beside the target."""

    @override
    def _get_temp_table(
        self,
        table: StockName,
        table_only: bool = False,
        quoted: bool = True,
    ) -> exp.Table:
        del table_only
        return super()._get_temp_table(table, table_only=True, quoted=quoted)

    @override
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

    @override
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
                query_factory=casted.copy,
                cleanup_func=lambda: self.cursor.unregister(name.name),
            )
        ]

"""SQLMesh's adapter for Trino: stock, apart from views (the catalog's) and writes (published)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlmesh.core.engine_adapter.shared import CommentCreationTable, CommentCreationView, SourceQuery
from sqlmesh.core.engine_adapter.trino import TrinoEngineAdapter
from typing_extensions import override

from lake.errors import LakeError
from lake.mesh import iceberg
from lake.mesh.adapter.catalog_columns import CatalogColumns
from lake.mesh.adapter.catalog_views import CatalogViews
from lake.mesh.errors import as_stock
from lake.mesh.hidden import HIDDEN, read_hidden
from lake.mesh.resolve import table_name
from lake.mesh.trino.connect import mapped
from lake.mesh.trino.publish import TrinoPublication
from lake.mesh.trino.types import arrow_schema, microseconds

if TYPE_CHECKING:
    from sqlmesh.core._typing import TableName as StockName

_WRITES = (exp.Insert, exp.Delete, exp.Update, exp.Merge)
TEMPORARY = "lakemesh_temp_"  # SQLMesh's own begin with _, which a catalog may refuse


class LakeTrinoAdapter(CatalogViews, CatalogColumns, TrinoEngineAdapter):
    """Trino on the lake's catalog."""

    SUPPORTS_QUERY_EXECUTION_TRACKING = True
    COMMENT_CREATION_TABLE = CommentCreationTable.UNSUPPORTED  # the views carry them; each is a statement
    COMMENT_CREATION_VIEW = CommentCreationView.UNSUPPORTED  # written with the view instead

    @override
    def execute(
        self,
        expressions: Any,
        ignore_unsupported_errors: bool = False,
        quote_identifiers: bool = True,
        track_rows_processed: bool = False,
        **kwargs: Any,
    ) -> None:
        """Run statements; a write to a table joins the open publish instead of being run."""
        statements = expressions if isinstance(expressions, list | tuple) else [expressions]
        publication = self.runtime.publication
        for statement in statements:
            name = self._written(statement)
            if name is not None and isinstance(publication, TrinoPublication):
                publication.take(self, self.lake_name(name), statement)
                self._record_execution_stats("", publication.rows)
                continue
            super().execute(
                statement,
                ignore_unsupported_errors=ignore_unsupported_errors,
                quote_identifiers=quote_identifiers,
                track_rows_processed=track_rows_processed,
                **kwargs,
            )

    def run(self, statement: exp.Expr, *, on_query: Callable[[str], None] | None = None) -> int:
        """Run one statement of a publish and return the rows that it counts.

        `on_query` hears the statement's id before Trino starts it; an error of it keeps it from starting.
        """
        heard: set[str] = set()

        def hear(stats: dict[str, Any]) -> None:
            query_id = str(stats["queryId"])
            if on_query is not None and query_id not in heard:
                heard.add(query_id)
                on_query(query_id)

        cursor = self.connection.cursor(stats_callback=hear)
        with mapped(f"{statement.key.upper()} on Trino"):
            cursor.execute(self._to_sql(statement))
            rows = cursor.fetchall()
        return int(rows[0][0]) if rows and rows[0] and isinstance(rows[0][0], int) else 0

    def ask(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        """Return the rows of a query with bound values."""
        cursor = self.connection.cursor()
        with mapped("a question to Trino"):
            cursor.execute(sql, parameters)
            rows: list[Any] = cursor.fetchall()
        return rows

    def create_empty(self, create: exp.Create) -> None:
        """Create the table of a CREATE … AS without rows, unless it is there.

        The empty table is no hazard: nothing points at a new physical table before it is promoted.
        """
        if self.table_exists(create.this):
            return
        empty = create.copy()
        empty.set("expression", exp.select("*").from_(create.expression.copy().subquery("q")).limit(0))
        empty.set("replace", False)
        empty.set("exists", True)
        self.run(empty)
        self._clear_data_object_cache(create.this)

    @override
    def wap_table_name(self, table_name: StockName, wap_id: str) -> str:
        """Return the relation that the audits see in place of the table."""
        publication = self.runtime.publication
        audited = publication.state_to_audit() if isinstance(publication, TrinoPublication) else None
        return (audited or exp.to_table(table_name)).sql(dialect=self.dialect, identify=True)

    @override
    def wap_publish(self, table_name: StockName, wap_id: str) -> None:
        """Do nothing: the audits' results decide first (`lake.mesh.seams`)."""

    def _written(self, statement: Any) -> exp.Table | None:
        """Return the table that a statement writes rows to; None for all else and for temporary ones."""
        fills = isinstance(statement, exp.Create) and isinstance(statement.expression, exp.Query)
        if not (isinstance(statement, _WRITES) or (fills and statement.args.get("kind") == "TABLE")):
            return None
        target: exp.Table | None = statement.find(exp.Table)
        if target is None or table_name(target) is None or target.name.startswith(TEMPORARY):
            return None
        return target

    @override
    def _execute(self, sql: str, track_rows_processed: bool = False, **kwargs: Any) -> None:
        with mapped("a statement on Trino"):
            super()._execute(sql, track_rows_processed, **kwargs)

    @override
    def _to_sql(self, expression: exp.Expr, quote: bool = True, **kwargs: Any) -> str:
        return super()._to_sql(microseconds(expression), quote=quote, **kwargs)

    @override
    def _get_temp_table(self, table: StockName, table_only: bool = False, quoted: bool = True) -> exp.Table:
        temporary = super()._get_temp_table(table, table_only=table_only, quoted=quoted)
        name = temporary.name.removeprefix("__temp_")
        temporary.set("this", exp.to_identifier(f"{TEMPORARY}{name}", quoted=quoted))
        return temporary

    @override
    def _df_to_source_queries(self, df: Any, *args: Any, **kwargs: Any) -> list[SourceQuery]:
        """Take polars' and Arrow's frames too: stock SQLMesh knows pandas'."""
        frame = df.to_pandas() if hasattr(df, "to_pandas") else df
        return super()._df_to_source_queries(frame, *args, **kwargs)

    @override
    def _arrow_schema(self, query: exp.Query) -> Any:
        """Ask Trino for a query's columns without running it."""
        self.execute(exp.select("*").from_(query.copy().subquery("q")).limit(0))
        described = self.cursor.description or ()
        return arrow_schema({column[0]: column[1] for column in described})

    @override
    def _hidden(self, table: exp.Table) -> frozenset[str]:
        """Read the table's property from the catalog: in Trino's own words it is several statements."""
        if not table.db or table.name.startswith(TEMPORARY):
            return frozenset()
        name = self.lake_name(table)
        try:
            state = iceberg.load_table(self.runtime.catalog, name)
        except LakeError as error:
            raise as_stock(error) from error
        hidden = read_hidden(state.properties.get(HIDDEN) if state else None)
        if hidden:
            self.runtime.with_hidden.add(name)
        return hidden

    @override
    def _arrow_type(self, kind: exp.DataType) -> Any:
        """Translate a type: Trino describes its own by name."""
        return arrow_schema({"c": kind.sql(self.dialect)}).field(0).type

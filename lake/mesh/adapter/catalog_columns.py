"""Columns of a table as they change and are described through the catalog, on whichever engine.

DuckDB adds and drops top-level columns one commit at a time, and has no COMMENT ON for Iceberg; Trino
changes one column a statement. The catalog takes all changes of a table in one commit, members of structs
and descriptions among them.

A column that goes is hidden first: views of other environments may name it, and a view whose column
is gone can't be read. It is named in a table property, SQLMesh sees the table without it, and it is
dropped once no view names it (`lake.mesh.hidden`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlmesh.core.schema_diff import (
    SchemaDiffer,
    TableAlterColumnOperation,
    TableAlterDropColumnOperation,
    TableAlterOperation,
    TableAlterTypedColumnOperation,
)
from typing_extensions import override

from lake.clock import Deadline, SystemClock
from lake.errors import LakeError
from lake.mesh import iceberg
from lake.mesh.adapter.shared import SharedAdapter
from lake.mesh.differ import iceberg_differ
from lake.mesh.errors import as_stock
from lake.mesh.hidden import HIDDEN, write_hidden

if TYPE_CHECKING:
    from sqlmesh.core._typing import TableName as StockName

    from lake.catalog.evolve import Evolution, Path


class CatalogColumns(SharedAdapter):
    """Schema evolution and descriptions, each in one commit."""

    @property
    @override
    def schema_differ(self) -> SchemaDiffer:
        return iceberg_differ(super().schema_differ)

    @override
    def columns(self, table_name: StockName, include_pseudo_columns: bool = False) -> dict[str, exp.DataType]:
        """Return a table's columns and types, hidden ones left out."""
        found = super().columns(table_name, include_pseudo_columns)
        hidden = self._hidden(exp.to_table(table_name))
        return {name: kind for name, kind in found.items() if name not in hidden}

    @override
    def alter_table(
        self,
        alter_expressions: list[exp.Alter] | list[TableAlterOperation],
        table_format: str | None = None,
    ) -> None:
        """Make all changes of a table in one commit; dropped columns are hidden until no view names them."""
        changes = [change for change in alter_expressions if isinstance(change, TableAlterColumnOperation)]
        if len(changes) != len(alter_expressions):
            super().alter_table(alter_expressions, table_format)
        elif changes:
            self._change(changes[0].target_table, changes)

    def _change(self, target: exp.Table, changes: Sequence[TableAlterColumnOperation]) -> None:
        wanted: dict[Path, Any] = {}
        for change in changes:
            path = tuple(part.name for part in change.column_identifiers)
            if isinstance(change, TableAlterTypedColumnOperation):
                wanted[path] = self._arrow_type(change.column_type)
            elif isinstance(change, TableAlterDropColumnOperation):
                wanted.setdefault(path, None)
        present = self._hidden(target)
        gone = {path[0] for path, kind in wanted.items() if kind is None and len(path) == 1}
        back = {path for path in wanted if len(path) == 1 and path[0] in present}
        evolution = iceberg.Evolution(
            columns={path: kind for path, kind in wanted.items() if path[0] not in gone},
            anew=frozenset(back),  # a column that comes back is as empty as a new one
            properties={HIDDEN: write_hidden((present | gone) - {path[0] for path in back})},
        )
        self._evolve(target, evolution)
        if gone:
            self.runtime.with_hidden.add(self.lake_name(target))

    @override
    def _create_table_comment(
        self, table_name: StockName, table_comment: str, table_kind: str = "TABLE"
    ) -> None:
        del table_kind
        self._evolve(exp.to_table(table_name), iceberg.Evolution(properties={iceberg.COMMENT: table_comment}))

    @override
    def _create_column_comments(
        self,
        table_name: StockName,
        column_comments: dict[str, str],
        table_kind: str = "TABLE",
        materialized_view: bool = False,
    ) -> None:
        del table_kind, materialized_view
        self._evolve(exp.to_table(table_name), iceberg.Evolution(docs=column_comments))

    def _evolve(self, table: exp.Table, change: Evolution) -> None:
        name = self.lake_name(table)
        deadline = Deadline.after(self.runtime.settings.engine.publish_seconds, SystemClock())
        try:
            iceberg.evolve(self.runtime.catalog, name, change, deadline=deadline)
        except LakeError as error:
            raise as_stock(error) from error

    def _hidden(self, table: exp.Table) -> frozenset[str]:
        """Return the hidden columns of a table, and remember it if it has some."""
        raise NotImplementedError

    def _arrow_type(self, kind: exp.DataType) -> Any:
        """Return a type of the engine as Arrow's."""
        raise NotImplementedError

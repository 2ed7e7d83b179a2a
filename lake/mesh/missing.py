"""Say which name of a statement can't be read: a view on the way refers to a table that isn't there.

The engine sees views inlined, so its own message names only the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from lake.errors import BadInputError, LakeError
from lake.mesh import iceberg
from lake.mesh.lookup import CatalogViews, in_environment
from lake.mesh.resolve import tables_read, view_reads
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.open import LakeCatalog

_GONE = "does not exist"


def explained(
    error: LakeError, statement: exp.Expr, catalog: LakeCatalog, *, environment: str = ""
) -> LakeError:
    """Return a better error for one of the engine's about a missing table, else the error itself."""
    if _GONE not in error.message:
        return error
    try:
        found = dangling(statement, catalog, environment)
    except LakeError:
        return error
    if found is None:
        return error
    name, missing = found
    return BadInputError(
        f"{name} reads {missing}, which {_GONE}",
        hint=f"put {missing} back, or change the model that reads it and run lake plan",
    )


def dangling(
    statement: exp.Expr, catalog: LakeCatalog, environment: str = ""
) -> tuple[TableName, TableName] | None:
    """Return the name in the statement and the missing table beneath it; None when all is there."""
    views = CatalogViews(catalog)
    find = in_environment(views, environment) if environment else views
    for name in sorted(tables_read(statement)):
        waiting, seen = [name], set[TableName]()
        while waiting:
            current = waiting.pop()
            view = find(current)
            if view is None and current != name and iceberg.load_table(catalog, current) is None:
                return name, current
            seen.add(current)
            if view is not None:
                waiting += sorted(view_reads(current, view) - seen)
    return None

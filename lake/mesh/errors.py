"""Our errors as SQLMesh's, and DuckDB's as ours.

Stock `sqlmesh` prints a SQLMeshError as one message and anything else as a traceback; what the
adapter raises under it must therefore be both.
"""

from __future__ import annotations

from sqlmesh.utils.errors import SQLMeshError

from lake.errors import LakeError


class StockError(SQLMeshError, LakeError):
    """A LakeError that stock `sqlmesh` prints without a traceback."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        LakeError.__init__(self, message, hint=hint)


def as_stock(error: LakeError) -> StockError:
    """Return the same message and hint as an error that SQLMesh knows how to print."""
    return StockError(error.message, hint=error.hint)

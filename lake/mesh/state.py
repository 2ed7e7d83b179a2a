"""SQLMesh's state on psycopg 3: SQLMesh itself asks for psycopg2, which is compiled from source."""

from __future__ import annotations

from typing import Any

from lake.errors import LakeError
from lake.mesh.errors import StockError
from lake.postgres import open_dbapi
from lake.settings import PostgresSettings


def open_state(settings: PostgresSettings) -> Any:
    """Open the state database; an error names the service and `lake up`."""
    try:
        return open_dbapi(settings)
    except LakeError as error:
        raise StockError(f"SQLMesh's state can't be read: {error.message}", hint=error.hint) from error

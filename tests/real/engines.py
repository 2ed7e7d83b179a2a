"""One query on both engines."""

from __future__ import annotations

from typing import Any

from lake.mesh.session import open_session
from lake.mesh.trino import open_trino
from lake.settings import Settings

Rows = list[tuple[Any, ...]]


def read(settings: Settings, sql: str) -> Rows:
    """Return a query's rows, which must be the same on both engines; let it order them."""
    with open_session(settings) as session:
        ours = [tuple(row.values()) for row in session.query(sql).to_pylist()]
    with open_trino(settings.trino) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        theirs = [tuple(row) for row in cursor.fetchall()]
    assert theirs == ours
    return ours

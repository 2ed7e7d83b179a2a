"""Files that nothing reaches, with when that was first seen; a file is deleted only a day after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

from lake.postgres import connect, read_sections
from lake.settings import PostgresSettings


def read_condemned(settings: PostgresSettings, table_uuid: str) -> dict[str, datetime]:
    """Return the condemned files of a table with the moment when each was first found unreachable."""
    with connect(settings) as connection:
        rows = connection.execute(_sections()["of_table"], {"table_uuid": table_uuid}).fetchall()
    return {row["path"]: row["condemned_at"] for row in rows}


def condemn(settings: PostgresSettings, table_uuid: str, files: Mapping[str, int], at: datetime) -> None:
    """Remember files (path to bytes) as unreachable since `at`; a known one keeps its first moment."""
    if not files:
        return
    values = [
        {"table_uuid": table_uuid, "path": path, "bytes": size, "at": at} for path, size in files.items()
    ]
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(_sections()["condemn"], values)


def pardon(settings: PostgresSettings, table_uuid: str, paths: Sequence[str]) -> None:
    """Forget files that are deleted or reached again."""
    if not paths:
        return
    with connect(settings) as connection:
        connection.execute(_sections()["pardon"], {"table_uuid": table_uuid, "paths": list(paths)})


def _sections() -> dict[str, LiteralString]:
    return read_sections("lake.control", "condemned.sql")

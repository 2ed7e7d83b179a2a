"""Bring the control schema up to date; the migrations are numbered SQL files that only ever grow."""

from __future__ import annotations

from importlib.resources import files

from lake.postgres import connect
from lake.settings import PostgresSettings

# Any constant works as long as it is the same for all processes that migrate one database.
_LOCK = 7_226_001


def migrate(settings: PostgresSettings) -> list[str]:
    """Apply the missing migrations in one transaction; return their names.

    Safe to call from several processes at once: an advisory lock lets one of them work.
    """
    applied: list[str] = []
    with connect(settings) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS control")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS control.migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        known = {row["name"] for row in connection.execute("SELECT name FROM control.migrations")}
        folder = files("lake.control").joinpath("migrations")
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if not file.name.endswith(".sql") or file.name in known:
                continue
            connection.execute(file.read_text(encoding="utf-8"))
            connection.execute("INSERT INTO control.migrations (name) VALUES (%s)", (file.name,))
            applied.append(file.name)
    return applied

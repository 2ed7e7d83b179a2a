"""Locks between processes, for the few acts that a service can't make atomic by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lake.postgres.connection import connect
from lake.settings import PostgresSettings

_WAIT = "30s"


@contextmanager
def exclusive(settings: PostgresSettings, name: str) -> Iterator[None]:
    """Let one holder of `name` at a time into the block; the server frees it when its process dies.

    Raises UnavailableError when the server can't be reached or another holder stays for 30 seconds.
    """
    with connect(settings) as connection:
        connection.execute("SELECT set_config('lock_timeout', %(wait)s, true)", {"wait": _WAIT})
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))", {"name": name})
        yield

"""Connections that stay open, for a service that asks PostgreSQL with every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lake.postgres.connection import Connection, mapped_error, parameters
from lake.settings import PostgresSettings

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

_WAIT_SECONDS = 3.0


class Pool:
    """At most `size` connections, opened when they are needed; thread-safe.

    A server that went away is noticed when a connection is taken, and a new one is opened then.
    """

    def __init__(self, settings: PostgresSettings, *, size: int) -> None:
        from psycopg.rows import dict_row  # noqa: PLC0415  see lake.postgres.connection
        from psycopg_pool import ConnectionPool  # noqa: PLC0415  see lake.postgres.connection

        self._settings = settings
        self._pool: ConnectionPool[Any] = ConnectionPool(
            kwargs={**parameters(settings), "autocommit": True, "row_factory": dict_row},
            min_size=0,
            max_size=size,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=_WAIT_SECONDS,
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; raises what `connect` raises, within seconds."""
        import psycopg  # noqa: PLC0415  see lake.postgres.connection

        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise mapped_error(self._settings, error) from error

    def close(self) -> None:
        self._pool.close()

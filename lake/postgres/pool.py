"""Connections that stay open, for a service that asks PostgreSQL with every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lake.postgres.connection import Connection, mapped_error, parameters
from lake.settings import PostgresSettings

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

_WAIT_SECONDS = 3.0
_FRESH_SECONDS = 1.0  # a connection that worked so lately is not asked first whether it still does


class Pool:
    """At most `size` connections, opened when they are needed; thread-safe.

    A server that went away is noticed when a connection is taken, and a new one is opened then; within a
    second after its last use a connection is taken unseen, and its user may be the one who notices.
    """

    def __init__(self, settings: PostgresSettings, *, size: int) -> None:
        from psycopg.rows import dict_row  # noqa: PLC0415  see lake.postgres.connection
        from psycopg_pool import ConnectionPool  # noqa: PLC0415  see lake.postgres.connection

        self._settings = settings
        self._worked_at: WeakKeyDictionary[psycopg.Connection[Any], float] = WeakKeyDictionary()
        self._pool: ConnectionPool[Any] = ConnectionPool(
            kwargs={**parameters(settings), "autocommit": True, "row_factory": dict_row},
            min_size=0,
            max_size=size,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=_WAIT_SECONDS,
            check=self._check,
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; raises what `connect` raises, within seconds."""
        import psycopg  # noqa: PLC0415  see lake.postgres.connection

        try:
            with self._pool.connection() as connection:
                yield connection
                self._worked_at[connection] = monotonic()
        except psycopg.OperationalError as error:
            raise mapped_error(self._settings, error) from error

    def _check(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg_pool import ConnectionPool  # noqa: PLC0415  see lake.postgres.connection

        if monotonic() - self._worked_at.get(connection, 0.0) > _FRESH_SECONDS:
            ConnectionPool.check_connection(connection)

    def close(self) -> None:
        self._pool.close()

"""Open PostgreSQL connections; the adapter where psycopg's errors become ours.

psycopg is loaded with the first connection: SQLMesh lints, formats and tests models without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lake.errors import ConfigurationError, LakeError, UnavailableError, first_line
from lake.settings import PostgresSettings

if TYPE_CHECKING:
    import psycopg
    from psycopg.types.json import Jsonb

    Connection = psycopg.Connection[dict[str, Any]]
else:
    Connection = Any

# A connection that failed carries no SQLSTATE, only the server's words.
_REFUSALS = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "permission denied")


def json_value(value: Any) -> Jsonb:
    """Bind a Python value as jsonb."""
    from psycopg.types.json import Jsonb  # noqa: PLC0415  see above

    return Jsonb(value)


def parameters(settings: PostgresSettings) -> dict[str, Any]:
    """Return libpq's connection parameters."""
    values: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "user": settings.user,
        "password": settings.password.get_secret_value(),
        "dbname": settings.database,
        "sslmode": settings.sslmode,
        "connect_timeout": settings.connect_timeout_seconds,
        "options": "-c timezone=UTC",
        "application_name": "lakemesh",
    }
    if settings.ca_file is not None:
        values["sslrootcert"] = str(settings.ca_file)
    return values


@contextmanager
def connect(settings: PostgresSettings, *, autocommit: bool = False) -> Iterator[Connection]:
    """Yield a connection whose rows are dicts; commits on success, rolls back on error.

    Raises UnavailableError when the server can't be reached or goes away, ConfigurationError when it
    refuses user, password or database.
    """
    import psycopg  # noqa: PLC0415  see above
    from psycopg.rows import dict_row  # noqa: PLC0415  see above

    try:
        with psycopg.connect(
            **parameters(settings), autocommit=autocommit, row_factory=dict_row
        ) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise mapped_error(settings, error) from error


def open_dbapi(settings: PostgresSettings) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a plain DB-API connection that its caller closes, for a library that brings its own SQL.

    Raises as `connect` does.
    """
    import psycopg  # noqa: PLC0415  see above

    try:
        return psycopg.connect(**parameters(settings))
    except psycopg.OperationalError as error:
        raise mapped_error(settings, error) from error


def mapped_error(settings: PostgresSettings, error: psycopg.OperationalError) -> LakeError:
    """Tell a server that refuses us, which waiting never mends, from one that does not answer."""
    place = f"{settings.host}:{settings.port}/{settings.database}"
    reason = first_line(error)
    if any(words in reason for words in _REFUSALS):
        return ConfigurationError(
            f"postgres: {place} refuses user {settings.user} ({reason})",
            hint="check postgres.user, password and database: [tool.lake], LAKE_POSTGRES__* and .env",
        )
    return UnavailableError("postgres", f"{place} does not answer ({reason})")

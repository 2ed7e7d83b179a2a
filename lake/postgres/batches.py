"""Rows of somebody's database as Arrow batches, streamed through ADBC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_manager import Error

from lake.errors import ConfigurationError, TerminalError, UnavailableError, first_line
from lake.settings import PostgresSettings
from lake.types import quote_identifier, quote_text

_BATCH_BYTES = 8 * 1024 * 1024
# Types whose values ADBC gives as Arrow's own; all others are read as PostgreSQL writes them.
_NATIVE = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_date,
    pa.types.is_timestamp,
    pa.types.is_binary,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read: columns of a relation (as SQL), from a value of `order` on and in its order."""

    relation: str
    columns: tuple[str, ...]
    order: str | None
    since: str | None
    timeout_seconds: float


def stream_batches(settings: PostgresSettings, reading: Reading) -> Iterator[pa.RecordBatch]:
    """Yield batches as they come; memory is bounded by the driver's batches.

    Raises ConfigurationError when the server refuses credentials or the relation does not exist,
    UnavailableError when it does not answer, TerminalError when a statement fails or takes too long.
    """
    place = f"{settings.host}:{settings.port}/{settings.database}"
    try:
        with adbc.connect(_address(settings)) as connection, connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(f"SET statement_timeout = {round(reading.timeout_seconds * 1000)}")
            cursor.execute(f"SELECT {_listed(reading.columns)} FROM {reading.relation} LIMIT 0")  # noqa: S608
            plain = cursor.fetch_arrow_table().schema
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            cursor.execute(_statement(reading, plain))
            reader = cursor.fetch_record_batch()
            yield from reader
    except (Error, pa.ArrowException, OSError) as error:
        raise _mapped(error, place) from error


def _statement(reading: Reading, plain: pa.Schema) -> str:
    columns = ", ".join(_column(field) for field in plain)
    text = f"SELECT {columns} FROM {reading.relation}"  # noqa: S608  names are quoted, the rest is a source file's
    if reading.order is None:
        return text
    order = quote_identifier(reading.order)
    if reading.since is not None:
        text += f" WHERE {order} >= {quote_text(reading.since)}"
    return f"{text} ORDER BY {order}"


def _column(field: pa.Field) -> str:
    name = quote_identifier(field.name)
    is_numeric = (field.metadata or {}).get(b"ADBC:postgresql:typname") not in {None, b"text"}
    if any(test(field.type) for test in _NATIVE) and not is_numeric:
        return name
    return f"{name}::text AS {name}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(quote_identifier(name) for name in names)


def _address(settings: PostgresSettings) -> str:
    query = urlencode(
        {
            "sslmode": settings.sslmode,
            "connect_timeout": settings.connect_timeout_seconds,
            "application_name": "lakemesh",
            **({"sslrootcert": str(settings.ca_file)} if settings.ca_file is not None else {}),
        }
    )
    login = f"{quote(settings.user, safe='')}:{quote(settings.password.get_secret_value(), safe='')}"
    return f"postgresql://{login}@{settings.host}:{settings.port}/{quote(settings.database, safe='')}?{query}"


def _mapped(error: Exception, place: str) -> Exception:
    said = first_line(error)
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("28") or "password authentication failed" in said:
        return ConfigurationError(
            f"{place} refused the credentials", hint="check the variables of user and password in the source"
        )
    if state.startswith(("42", "22", "57")):
        return TerminalError(f"{place}: {said}", hint="compare the source with the database")
    return UnavailableError("postgres", f"{place}: {said}", hint="check host and port of the source")

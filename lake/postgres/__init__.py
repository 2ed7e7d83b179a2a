"""PostgreSQL client: connections from settings, errors mapped once, SQL from files."""

from lake.postgres.connection import Connection, connect, json_value, open_dbapi, parameters
from lake.postgres.locks import exclusive
from lake.postgres.pool import Pool
from lake.postgres.sql import read_sections

__all__ = [
    "Connection",
    "Pool",
    "connect",
    "exclusive",
    "json_value",
    "open_dbapi",
    "parameters",
    "read_sections",
]

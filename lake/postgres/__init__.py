"""PostgreSQL client: connections from settings, errors mapped once, SQL from files."""

from lake.postgres.connection import Connection, connect, is_ready, json_value, parameters, uri
from lake.postgres.sql import read_sections

__all__ = ["Connection", "connect", "is_ready", "json_value", "parameters", "read_sections", "uri"]

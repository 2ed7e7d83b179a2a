"""The view over all quarantines: every bad record with what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ingest.quarantine.table import FIELDS, RESERVED, RESOLUTIONS, SCHEMA, VIEW
from lake.catalog import LakeCatalog, list_tables
from lake.catalog.views import ViewSpec, put_view
from lake.types import TableName, quote_identifier

_COLUMNS = pa.schema(
    [
        pa.field("stream", pa.string()),
        *SCHEMA,
        pa.field("state", pa.string()),
        pa.field("resolution_reason", pa.string()),
        pa.field("resolved_at", pa.timestamp("us", tz="UTC")),
    ]
)


def refresh_view(catalog: LakeCatalog, schema: str) -> None:
    """Make `<schema>.records` show the quarantine of every stream; idempotent."""
    name = TableName(schema=schema, name=VIEW)
    present = list_tables(catalog, schema)
    streams = [table for table in present if table.name not in RESERVED]
    resolutions = TableName(schema=schema, name=RESOLUTIONS)
    query = _query(streams, resolutions if resolutions in present else None)
    put_view(
        catalog,
        ViewSpec(
            name=name,
            sql={"duckdb": query, "trino": query},
            columns=_COLUMNS,
            description="All records that break their contract; state is open, replayed or discarded.",
        ),
    )


def _query(streams: Sequence[TableName], resolutions: TableName | None) -> str:
    """Return one text that both engines read; a record that was replayed counts as that, whatever came."""
    names = [f.name for f in FIELDS]
    listed = ", ".join(quote_identifier(name) for name in names)
    records = "\nUNION ALL\n".join(
        f"SELECT '{table.name}' AS stream, {listed} "  # noqa: S608  names are of a-z, 0-9 and _
        f"FROM {table.quoted}"
        for table in streams
    )
    shown = ", ".join(f"q.{quote_identifier(name)}" for name in ("stream", *names))
    if resolutions is None:
        nothing = "CAST(NULL AS varchar) AS resolution_reason"
        never = "CAST(NULL AS timestamp with time zone) AS resolved_at"
        return f"SELECT {shown}, 'open' AS state, {nothing}, {never}\nFROM (\n{records}\n) AS q"
    keys = ("stream", "source", "partition", "offset", "first_seen")
    grouped = ", ".join(quote_identifier(key) for key in keys)
    joined = " AND ".join(f"q.{quote_identifier(key)} = r.{quote_identifier(key)}" for key in keys)
    return (
        f"SELECT {shown}, coalesce(r.state, 'open') AS state, r.resolution_reason, r.resolved_at\n"
        f"FROM (\n{records}\n) AS q\n"
        f"LEFT JOIN (\nSELECT {grouped}, max(action) AS state,"
        f" max_by(reason, action) AS resolution_reason, max_by(resolved_at, action) AS resolved_at\n"
        f"FROM {resolutions.quoted}\nGROUP BY {grouped}\n) AS r\nON {joined}"
    )

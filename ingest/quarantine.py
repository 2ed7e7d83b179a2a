"""The quarantine of a stream: its table, its rows, the view over all of them, and what in it is final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ingest.codec import Failure
from lake.catalog import LakeCatalog, TableSpec, TableState, arrow_schema, list_tables
from lake.catalog.scan import read_rows
from lake.catalog.views import ViewSpec, put_view
from lake.types import Field, ListOf, Offset, Partition, Primitive, Struct, TableName, quote_identifier

VIEW = "records"

FIELDS: tuple[Field, ...] = (
    Field(name="source", type=Primitive.STRING, description="Topic, or source.resource of an extract."),
    Field(name="partition", type=Primitive.INT, description="Partition of the topic; 0 for extracts."),
    Field(
        name="offset", type=Primitive.LONG, description="Offset in the partition, or number in the extract."
    ),
    Field(name="key", type=Primitive.BINARY, description="Key of the record as it came."),
    Field(name="value", type=Primitive.BINARY, description="The record as it came, byte by byte."),
    Field(name="produced_at", type=Primitive.TIMESTAMPTZ, description="When the source wrote it."),
    Field(name="first_seen", type=Primitive.TIMESTAMPTZ, description="When landing first met it."),
    Field(name="contract_version", type=Primitive.STRING, description="Version of the contract applied."),
    Field(
        name="rules",
        type=ListOf(
            element=Struct(
                fields=(
                    Field(name="rule", type=Primitive.STRING),
                    Field(name="path", type=Primitive.STRING),
                    Field(name="message", type=Primitive.STRING),
                )
            )
        ),
        description="Every rule that the record breaks.",
    ),
    Field(name="reason", type=Primitive.STRING, description="The first of the rules."),
)
SCHEMA: pa.Schema = arrow_schema(FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that landing refuses, with where it lies and why."""

    partition: Partition
    offset: Offset
    key: bytes | None
    value: bytes | None
    produced_at: datetime | None
    failures: tuple[Failure, ...]


def quarantine_spec(name: TableName, stream: str) -> TableSpec:
    """Return the quarantine table of a stream; all of them look alike."""
    return TableSpec(name=name, fields=FIELDS, description=f"Records of {stream} that break its contract.")


def to_rows(
    records: Sequence[BadRecord], *, source: str, contract_version: str, first_seen: datetime
) -> pa.Table:
    """Return the rows of the quarantine table for `records`."""
    return pa.Table.from_pylist(
        [
            {
                "source": source,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key,
                "value": record.value,
                "produced_at": record.produced_at,
                "first_seen": first_seen,
                "contract_version": contract_version,
                "rules": [{"rule": f.rule, "path": f.path, "message": f.message} for f in record.failures],
                "reason": record.failures[0].rule,
            }
            for record in records
        ],
        schema=SCHEMA,
    )


def final_offsets(
    state: TableState, *, source: str, partition: Partition, low: Offset, high: Offset
) -> frozenset[Offset]:
    """Return the offsets in [low, high) that lie in quarantine already."""
    found = read_rows(
        state,
        columns=["offset"],
        equal={"source": source, "partition": partition},
        between={"offset": (low, high)},
    )
    return frozenset(found.column("offset").to_pylist())


def refresh_view(catalog: LakeCatalog, schema: str) -> None:
    """Make `<schema>.records` show the quarantine of every stream; idempotent."""
    name = TableName(schema=schema, name=VIEW)
    tables = [table for table in list_tables(catalog, schema) if table != name]
    columns = [f.name for f in FIELDS]
    listed = ", ".join(quote_identifier(c) for c in columns)
    query = "\nUNION ALL\n".join(
        f"SELECT '{table.name}' AS stream, {listed} "  # noqa: S608  names are of a-z, 0-9 and _
        f"FROM {table.quoted}"
        for table in tables
    )
    put_view(
        catalog,
        ViewSpec(
            name=name,
            sql={"duckdb": query, "trino": query},
            columns=pa.schema([pa.field("stream", pa.string()), *SCHEMA]),
            description="All records that break their contract.",
        ),
    )

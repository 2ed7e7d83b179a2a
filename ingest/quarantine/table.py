"""The quarantine of a stream: its table, its rows, and what in it is final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ingest.codec import Failure
from lake.catalog import TableSpec, TableState, arrow_schema
from lake.catalog.scan import read_rows
from lake.types import Field, ListOf, Offset, Partition, Primitive, Struct, TableName

VIEW = "records"  # over all quarantines
RESOLUTIONS = "resolutions"  # what became of records
RESERVED = frozenset({VIEW, RESOLUTIONS})

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
    Field(
        name="idempotency_key",
        type=Primitive.STRING,
        description="Key sent by the producer so that repeats can be dropped.",
    ),
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
    idempotency_key: str | None = None


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
                "idempotency_key": record.idempotency_key,
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

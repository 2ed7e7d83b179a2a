"""The columns that landing adds to a contract's own."""

from __future__ import annotations

from lake.contracts.contract import Contract
from lake.types import Field, Primitive, Struct

META = Field(
    name="meta",
    type=Struct(
        fields=(
            Field(
                name="source",
                type=Primitive.STRING,
                description="Topic, or source.resource of an extract, with :path for a file's row.",
            ),
            Field(
                name="partition",
                type=Primitive.INT,
                description="Partition of the topic; version of a file; else 0.",
            ),
            Field(
                name="offset",
                type=Primitive.LONG,
                description="Offset in the partition, running number in the extract, or row of the file.",
            ),
            Field(name="key", type=Primitive.STRING, description="Key of the record as text."),
            Field(
                name="produced_at",
                type=Primitive.TIMESTAMPTZ,
                description="When the source wrote the record.",
            ),
            Field(name="landed_at", type=Primitive.TIMESTAMPTZ, description="When landing wrote the record."),
            Field(
                name="schema_version", type=Primitive.STRING, description="Version of the contract applied."
            ),
            Field(
                name="idempotency_key",
                type=Primitive.STRING,
                description="Key sent by the producer so that repeats can be dropped.",
            ),
            Field(
                name="op",
                type=Primitive.STRING,
                description="insert, update or delete in a changelog; null for plain records.",
            ),
        )
    ),
    required=False,
    description="Where the record came from and how it landed.",
)


def raw_fields(contract: Contract) -> tuple[Field, ...]:
    """Return the columns of `raw.<stream>`: the contract's, then `meta`."""
    return (*contract.fields, META)

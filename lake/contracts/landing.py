"""The columns that landing adds to a contract's own."""

from __future__ import annotations

from dataclasses import replace

from lake.contracts.contract import Contract, Mode
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


def change_field(contract: Contract) -> Field:
    """Return the column that tells, in mode CDC, more of a change than `meta.op`."""
    before = Field(
        name="before",
        type=Struct(fields=tuple(replace(f, required=False) for f in contract.fields)),
        description="The row before the change, where the source sends it.",
    )
    changed_at = Field(
        name="changed_at", type=Primitive.TIMESTAMPTZ, description="When the source's database changed it."
    )
    return Field(
        name="change", type=Struct(fields=(changed_at, before)), description="What was changed when."
    )


def raw_fields(contract: Contract) -> tuple[Field, ...]:
    """Return the columns of `raw.<stream>`: the contract's, `change` of mode CDC, then `meta`.

    A deletion has no values but its key's, so nothing else of a changelog is required in the table.
    """
    if not contract.is_changelog:
        return (*contract.fields, META)
    kept = tuple(f if f.name in contract.primary_key else replace(f, required=False) for f in contract.fields)
    return (*kept, change_field(contract), META) if contract.mode is Mode.CDC else (*kept, META)


def latest_fields(contract: Contract) -> tuple[Field, ...]:
    """Return the columns of the view `raw.<stream>_latest` of a changelog: no deletion is in it."""
    return (*contract.fields, META)

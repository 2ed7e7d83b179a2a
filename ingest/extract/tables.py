"""The two tables of an extracted stream, and the rows that go into them."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ingest.extract.judge import Judged
from ingest.extract.sift import Keys, Sifted, read_instant
from lake.catalog import PartitionField, TableSpec, arrow_schema, arrow_type
from lake.contracts import META, Contract, raw_fields
from lake.errors import ConfigurationError
from lake.settings import LandingSettings
from lake.types import Field, ListOf, Primitive, Struct, TableName

_RULE = Struct(fields=tuple(Field(name=name, type=Primitive.STRING) for name in ("rule", "path", "message")))
QUARANTINE_FIELDS = (
    Field(name="source", type=Primitive.STRING),
    Field(name="partition", type=Primitive.INT),
    Field(name="offset", type=Primitive.LONG),
    Field(name="key", type=Primitive.BINARY),
    Field(name="value", type=Primitive.BINARY),
    Field(name="produced_at", type=Primitive.TIMESTAMPTZ),
    Field(name="first_seen", type=Primitive.TIMESTAMPTZ),
    Field(name="contract_version", type=Primitive.STRING),
    Field(name="rules", type=ListOf(element=_RULE)),
    Field(name="reason", type=Primitive.STRING),
)
_PYTHON = {
    Primitive.TIMESTAMPTZ: datetime,
    Primitive.INT: int,
    Primitive.LONG: int,
}


def origin(contract: Contract) -> str:
    """Return `meta.source` of an extracted row."""
    return f"{contract.source}.{contract.resource}"


def raw_spec(contract: Contract, landing: LandingSettings) -> TableSpec:
    return TableSpec(
        name=TableName(schema=landing.raw_schema, name=contract.stream),
        fields=raw_fields(contract),
        partition=tuple(
            PartitionField(column=cut.column, transform=cut.transform.value) for cut in contract.partition
        ),
        description=contract.description,
    )


def quarantine_spec(contract: Contract, landing: LandingSettings) -> TableSpec:
    return TableSpec(
        name=TableName(schema=landing.quarantine_schema, name=contract.stream),
        fields=QUARANTINE_FIELDS,
        description=f"Records of {contract.stream} that break their contract.",
    )


def keys_of(contract: Contract, column: str) -> Keys:
    """Say how records are told apart and ordered; raises ConfigurationError for an unusable cursor column."""
    kinds = {field.name: field.type for field in contract.fields}
    kind = kinds.get(column)
    if not isinstance(kind, Primitive) or kind not in _PYTHON:
        raise ConfigurationError(
            f"the incremental cursor {column} of {origin(contract)} is no timestamp with zone and no integer"
            f" of contract {contract.stream}",
            hint=f"mend ingest/sources/{contract.source}.yaml or {contract.file}",
        )
    return Keys(
        resource=origin(contract),
        primary=contract.primary_key,
        instant=column,
        instant_type=_PYTHON[kind],
    )


def raw_rows(contract: Contract, sifted: Sifted, keys: Keys, landed_at: datetime) -> pa.Table:
    """Return the new good rows with `meta`."""
    rows = sifted.rows
    count = rows.num_rows
    instants = rows.column(keys.instant)
    key = [pc.cast(rows.column(name).combine_chunks(), pa.string()) for name in contract.primary_key]
    members = {
        "source": pa.repeat(origin(contract), count),
        "partition": pa.repeat(pa.scalar(0, pa.int32()), count),
        "offset": sifted.offsets,
        "key": pc.binary_join_element_wise(*key, ","),
        "produced_at": instants.combine_chunks() if keys.instant_type is datetime else None,
        "landed_at": pa.repeat(pa.scalar(landed_at, pa.timestamp("us", tz="UTC")), count),
        "schema_version": pa.repeat(contract.version, count),
    }
    kind = arrow_type(META.type)
    children = [
        pa.nulls(count, member.type) if members.get(member.name) is None else members[member.name]
        for member in kind
    ]
    return rows.append_column("meta", pa.StructArray.from_arrays(children, fields=list(kind)))


def quarantine_rows(
    contract: Contract, judged: Judged, sifted: Sifted, keys: Keys, seen: datetime
) -> pa.Table:
    """Return the new bad records with raw bytes, coordinate and every rule that they break."""
    rows = []
    for place, offset in zip(sifted.bad, sifted.bad_offsets, strict=True):
        raw = judged.checked.raw[place]
        failures = judged.failures[place]
        instant = read_instant(raw, keys)
        rows.append(
            {
                "source": origin(contract),
                "partition": 0,
                "offset": offset,
                "key": None,
                "value": raw,
                "produced_at": instant if isinstance(instant, datetime) else None,
                "first_seen": seen,
                "contract_version": contract.version,
                "rules": [{"rule": f.rule, "path": f.path, "message": f.message} for f in failures],
                "reason": failures[0].rule,
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(QUARANTINE_FIELDS))

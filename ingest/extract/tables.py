"""The tables of extracted streams, and the rows that go into them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ingest.extract.judge import Judged
from ingest.extract.sift import Keys, Sifted, read_instant
from ingest.meta import with_meta
from ingest.quarantine import BadRecord, quarantine_spec, refresh_view
from ingest.tables import quarantine_name, raw_spec
from lake.catalog import LakeCatalog, ensure_table, list_tables
from lake.contracts import Contract
from lake.errors import ConfigurationError
from lake.settings import LandingSettings
from lake.types import Offset, Partition, Primitive

_PYTHON = {
    Primitive.TIMESTAMPTZ: datetime,
    Primitive.INT: int,
    Primitive.LONG: int,
}


def origin(contract: Contract) -> str:
    """Return `meta.source` of an extracted row."""
    return f"{contract.source}.{contract.resource}"


def create_tables(catalog: LakeCatalog, contracts: Sequence[Contract], landing: LandingSettings) -> None:
    """Create the missing tables of some streams; the view over all quarantines learns of new ones."""
    present = set(list_tables(catalog, landing.quarantine_schema))
    for contract in contracts:
        ensure_table(catalog, raw_spec(landing, contract))
        name = quarantine_name(landing, contract)
        ensure_table(catalog, quarantine_spec(name, contract.stream))
    if {quarantine_name(landing, contract) for contract in contracts} - present:
        refresh_view(catalog, landing.quarantine_schema)


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
        columns=tuple(field.name for field in contract.fields),
        instant=column,
        instant_type=_PYTHON[kind],
    )


def raw_rows(contract: Contract, sifted: Sifted, keys: Keys, landed_at: datetime) -> pa.Table:
    """Return the new good rows with `meta`."""
    rows = sifted.rows
    instants = rows.column(keys.instant)
    coordinates = pa.table({"offset": sifted.offsets, "key": key_text(contract, rows)})
    if keys.instant_type is datetime:
        coordinates = coordinates.append_column("produced_at", instants)
    return with_meta(
        rows,
        coordinates,
        source=origin(contract),
        partition=Partition(0),
        version=contract.version,
        landed_at=landed_at,
    )


def key_text(contract: Contract, rows: pa.Table) -> pa.Array:
    """Return the primary key of each row as text."""
    key = [pc.cast(rows.column(name).combine_chunks(), pa.string()) for name in contract.primary_key]
    return pc.binary_join_element_wise(*key, ",")


def bad_records(judged: Judged, sifted: Sifted, keys: Keys) -> tuple[BadRecord, ...]:
    """Return the new bad records with raw bytes, coordinate and every rule that they break."""
    records = []
    for place, offset in zip(sifted.bad, sifted.bad_offsets, strict=True):
        raw = judged.checked.raw[place]
        instant = read_instant(raw, keys)
        records.append(
            BadRecord(
                partition=Partition(0),
                offset=Offset(offset),
                key=None,
                value=raw,
                produced_at=instant if isinstance(instant, datetime) else None,
                failures=judged.failures[place],
            )
        )
    return tuple(records)

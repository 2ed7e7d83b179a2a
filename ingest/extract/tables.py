"""The tables of extracted streams, and the rows that go into them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.extract.sift import Fresh, Keys
from ingest.meta import with_meta
from ingest.tables import open_quarantine, open_raw
from lake.catalog import LakeCatalog
from lake.contracts import Contract
from lake.errors import ConfigurationError
from lake.settings import LandingSettings
from lake.types import Partition, Primitive

_INSTANTS = {Primitive.TIMESTAMPTZ, Primitive.TIMESTAMP, Primitive.DATE, Primitive.INT, Primitive.LONG}


def create_tables(catalog: LakeCatalog, contracts: Sequence[Contract], landing: LandingSettings) -> None:
    """Create the missing tables of some streams, so that models can be planned on them."""
    for contract in contracts:
        open_raw(catalog, landing, contract)
        open_quarantine(catalog, landing, contract)


def keys_of(contract: Contract, resource: str, column: str | None) -> Keys:
    """Say how records are told apart and ordered; raises ConfigurationError for an unusable cursor column."""
    fields = {field.name: field for field in contract.fields}
    kind: Any = Primitive.LONG
    if column is not None:
        field = fields.get(column)
        if field is None or field.type not in _INSTANTS or not field.required:
            raise ConfigurationError(
                f"the incremental cursor {column} of {resource} is no required timestamp, date or integer"
                f" of contract {contract.stream}",
                hint=f"mend ingest/sources/{contract.source}.yaml or {contract.file}",
            )
        kind = field.type
    return Keys(
        resource=resource,
        primary=tuple(fields[name] for name in contract.primary_key),
        columns=contract.columns,
        instant=column,
        instant_type=kind,
    )


def raw_rows(contract: Contract, fresh: Fresh, keys: Keys, landed_at: datetime) -> pa.Table:
    """Return the new good rows with `meta`."""
    rows = fresh.rows
    coordinates = pa.table({"offset": fresh.offsets, "key": key_text(contract, rows)})
    if keys.instant is not None and keys.instant_type is Primitive.TIMESTAMPTZ:
        coordinates = coordinates.append_column("produced_at", rows.column(keys.instant))
    if fresh.ops is not None:
        coordinates = coordinates.append_column("op", fresh.ops)
    return with_meta(
        rows,
        coordinates,
        source=keys.resource,
        partition=Partition(0),
        version=contract.version,
        landed_at=landed_at,
    )


def key_text(contract: Contract, rows: pa.Table) -> pa.Array:
    """Return the primary key of each row as text."""
    key = [pc.cast(rows.column(name).combine_chunks(), pa.string()) for name in contract.primary_key]
    return pc.binary_join_element_wise(*key, ",")

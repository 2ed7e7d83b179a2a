"""The two tables of a stream, made from its contract."""

from __future__ import annotations

from ingest.quarantine import RESERVED, quarantine_spec, refresh_view
from lake.catalog import (
    LakeCatalog,
    PartitionField,
    TableSpec,
    TableState,
    ensure_table,
    load_table,
)
from lake.contracts import Contract, raw_fields
from lake.errors import ConfigurationError
from lake.settings import LandingSettings
from lake.types import TableName


def raw_name(settings: LandingSettings, contract: Contract) -> TableName:
    return TableName(schema=settings.raw_schema, name=contract.stream)


def quarantine_name(settings: LandingSettings, contract: Contract) -> TableName:
    if contract.stream in RESERVED:
        raise ConfigurationError(
            f"{contract.file}: {settings.quarantine_schema}.{contract.stream} is not free for a stream",
            hint="give the stream another id",
        )
    return TableName(schema=settings.quarantine_schema, name=contract.stream)


def raw_spec(settings: LandingSettings, contract: Contract) -> TableSpec:
    """Return what the table of a stream should be: the contract's columns and `meta`."""
    return TableSpec(
        name=raw_name(settings, contract),
        fields=raw_fields(contract),
        partition=tuple(
            PartitionField(column=cut.column, transform=cut.transform.value) for cut in contract.partition
        ),
        description=contract.description,
    )


def open_raw(catalog: LakeCatalog, settings: LandingSettings, contract: Contract) -> TableState:
    """Return the stream's table, created when it is missing."""
    return ensure_table(catalog, raw_spec(settings, contract))


def open_quarantine(catalog: LakeCatalog, settings: LandingSettings, contract: Contract) -> TableState:
    """Return the stream's quarantine, created when it is missing; then the view shows it too."""
    name = quarantine_name(settings, contract)
    present = load_table(catalog, name)
    state = ensure_table(catalog, quarantine_spec(name, contract.stream))
    if present is None:
        refresh_view(catalog, settings.quarantine_schema)
    return state

"""The two tables of a stream, made from its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.changelog.view import put_latest_view
from ingest.deploy.history import record_deployed
from ingest.quarantine import RESERVED, quarantine_spec, refresh_view
from lake.catalog import (
    LakeCatalog,
    PartitionField,
    TableSpec,
    TableState,
    ensure_table,
    load_table,
)
from lake.contracts import (
    Contract,
    Routing,
    check_fence,
    fence_properties,
    raw_fields,
    route_topic,
    table_routing,
)
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


def raw_spec(settings: LandingSettings, contract: Contract, routing: Routing | None = None) -> TableSpec:
    """Return what the table of a stream should be: the contract's columns and `meta`, held to it."""
    return TableSpec(
        name=raw_name(settings, contract),
        fields=raw_fields(contract),
        partition=tuple(PartitionField(column=cut.column, transform=cut.text) for cut in contract.partition),
        description=contract.description,
        properties=fence_properties(contract, routing),
    )


def held_quarantine(
    settings: LandingSettings, contract: Contract, routing: Routing | None = None
) -> TableSpec:
    """Return what the quarantine of a stream should be, held to the contract."""
    spec = quarantine_spec(quarantine_name(settings, contract), contract.stream)
    return replace(spec, properties=fence_properties(contract, routing))


def find_routing(
    catalog: LakeCatalog, settings: LandingSettings, contract: Contract, contracts: Sequence[Contract]
) -> Routing:
    """Return the routing that the landing of a topic's stream goes by; `contracts` are the project's.

    Raises RefusedError when the stream would join a topic that others land already without a deploy.
    """
    wanted = route_topic(contracts, contract.topic)
    properties = {}
    for other in contracts:
        if other.topic == contract.topic:
            state = load_table(catalog, raw_name(settings, other))
            properties[other.stream] = None if state is None else state.properties
    own = properties.pop(contract.stream, None)
    return table_routing(contract.stream, own, properties, wanted)


def open_raw(
    catalog: LakeCatalog, settings: LandingSettings, contract: Contract, routing: Routing | None = None
) -> TableState:
    """Return the stream's table for landing, created when it is missing; then the contract is deployed.

    Raises ContractMovedError when the table is held to another contract.
    """
    present = load_table(catalog, raw_name(settings, contract))
    if present is not None:
        check_fence(str(present.name), present.properties, contract, routing)
    state = ensure_raw(catalog, settings, contract, routing)
    record_deployed(catalog.lake_settings.postgres, contract)
    return state


def open_quarantine(
    catalog: LakeCatalog, settings: LandingSettings, contract: Contract, routing: Routing | None = None
) -> TableState:
    """Return the stream's quarantine for landing, created when it is missing.

    Raises ContractMovedError when the table is held to another contract.
    """
    state = ensure_quarantine(catalog, settings, contract, routing)
    check_fence(str(state.name), state.properties, contract, routing)
    return state


def ensure_raw(
    catalog: LakeCatalog, settings: LandingSettings, contract: Contract, routing: Routing | None = None
) -> TableState:
    """Return the stream's table, whatever it is held to; created, it is held to the contract.

    The table of a changelog has its view of latest rows.
    """
    state = ensure_table(catalog, raw_spec(settings, contract, routing))
    if contract.is_changelog:
        put_latest_view(catalog, state.name, contract)
    return state


def ensure_quarantine(
    catalog: LakeCatalog, settings: LandingSettings, contract: Contract, routing: Routing | None = None
) -> TableState:
    """Return the stream's quarantine, whatever it is held to; a new one is shown by the view over all."""
    spec = held_quarantine(settings, contract, routing)
    present = load_table(catalog, spec.name)
    state = ensure_table(catalog, spec)
    if present is None:
        refresh_view(catalog, settings.quarantine_schema)
    return state

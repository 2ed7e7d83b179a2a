"""Which extracts there are: sources and contracts brought together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.extract.api.children import placeholders
from ingest.extract.api.definition import ApiResource
from ingest.extract.landing import Origin
from ingest.extract.source import Resource, Source, load_sources
from lake.contracts import Contract, Mode, StreamKind, load_contracts
from lake.errors import BadInputError, ConfigurationError
from lake.settings import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """One resource with its contract."""

    source: Source
    resource: Resource
    contract: Contract
    parent: Contract | None = None  # of the resource whose records this one's are asked for with

    @property
    def name(self) -> str:
        return f"{self.source.source}/{self.resource.name}"

    @property
    def origin(self) -> Origin:
        return Origin(source=self.source.source, resource=self.resource.name)


def plan_extracts(
    project: Project, names: Sequence[str] = (), *, manual: bool = False
) -> tuple[Extract, ...]:
    """Return what `names` (sources or source/resource) stand for, each with its contract.

    None means all; those of manual sources only when they are asked for.

    Raises BadInputError for an unknown name, ConfigurationError when source and contract disagree.
    """
    contracts = {contract.stream: contract for contract in load_contracts(project.contracts)}
    every = [extract for source in load_sources(project.sources) for extract in _extracts(source, contracts)]
    known = {extract.name for extract in every} | {extract.source.source for extract in every}
    if unknown := [name for name in names if name not in known]:
        raise BadInputError(
            f"there is no extract {unknown[0]}; known: {', '.join(sorted(known))}", hint="lake extract status"
        )
    wanted = set(names)
    if not wanted:
        return tuple(extract for extract in every if manual or not extract.source.manual)
    return tuple(extract for extract in every if {extract.name, extract.source.source} & wanted)


def _extracts(source: Source, contracts: Mapping[str, Contract]) -> Iterator[Extract]:
    own: dict[str, Contract] = {}
    for resource in source.resources:
        own[resource.name] = _contract(source, resource, contracts)
        if not isinstance(resource, ApiResource) or resource.parent is None:
            yield Extract(source=source, resource=resource, contract=own[resource.name])
            continue
        parent = own[resource.parent.resource]
        if unknown := placeholders(resource) - set(parent.columns):
            raise ConfigurationError(
                f"{source.source}/{resource.name} names {', '.join(sorted(unknown))}, which the contract of"
                f" its parent {parent.stream} does not have",
                hint=f"mend ingest/sources/{source.source}.yaml",
            )
        yield Extract(source=source, resource=resource, contract=own[resource.name], parent=parent)


def _contract(source: Source, resource: Resource, contracts: Mapping[str, Contract]) -> Contract:
    contract = contracts.get(resource.stream)
    name = f"{source.source}/{resource.name}"
    if contract is None:
        raise ConfigurationError(
            f"extract {name} feeds the stream {resource.stream}, which has no contract",
            hint=f"write ingest/contracts/{resource.stream}.yaml, then lake contract check",
        )
    if contract.kind is not StreamKind.EXTRACT or (contract.source, contract.resource) != (
        source.source,
        resource.name,
    ):
        raise ConfigurationError(
            f"{contract.file} does not name {name} as the origin of {resource.stream}",
            hint="set physicalType: extract, source and resource there, then lake contract check",
        )
    if getattr(resource, "refresh", None) is not None and contract.mode is not Mode.UPSERT:
        raise ConfigurationError(
            f"extract {name} lands a changelog, and contract {contract.stream} says that rows are only added",
            hint=f"set mode: upsert in {contract.file}, or give the resource incremental: {{cursor: …}}",
        )
    return contract

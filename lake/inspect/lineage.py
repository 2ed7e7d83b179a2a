"""One graph from topic or extract to destination: contracts, models and syncs joined by table names. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lake.contracts import Contract, StreamKind
from lake.inspect.values import Layer
from lake.mesh.graph import Graph
from lake.types import TableName


class Stage(StrEnum):
    """The columns of the picture, from left to right."""

    SOURCE = "source"
    RAW = "raw"
    STAGING = "staging"
    INTERMEDIATE = "intermediate"
    MART = "mart"
    ACTIVATION = "activation"
    DESTINATION = "destination"


_STAGE_OF = {
    Layer.RAW: Stage.RAW,
    Layer.STAGING: Stage.STAGING,
    Layer.INTERMEDIATE: Stage.INTERMEDIATE,
    Layer.ANALYTICS: Stage.MART,
    Layer.ACTIVATION: Stage.ACTIVATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A column, field or property of a node."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One thing that data flows through; `table` is its name in the lake, empty outside of it."""

    id: str
    label: str
    stage: Stage
    kind: str
    owner: str
    description: str
    table: str
    items: tuple[Item, ...]
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTarget:
    """What lineage needs to know about a sync; given by the edge, which read the sync files."""

    name: str
    model: str
    owner: str
    description: str
    kind: str
    fields: tuple[tuple[str, str], ...]  # (property, column)
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Nodes in the order of the flow, and edges (from, to) between their ids."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[tuple[str, str], ...]

    def node(self, node_id: str) -> LineageNode | None:
        return next((node for node in self.nodes if node.id == node_id), None)

    def upstream(self, node_id: str) -> frozenset[str]:
        """Return all that flows into a node, directly or through others."""
        return self._reach(node_id, tuple((b, a) for a, b in self.edges))

    def downstream(self, node_id: str) -> frozenset[str]:
        """Return all that a node flows into, directly or through others."""
        return self._reach(node_id, self.edges)

    @staticmethod
    def _reach(start: str, steps: Sequence[tuple[str, str]]) -> frozenset[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            here = waiting.pop()
            news = {to for origin, to in steps if origin == here} - found - {start}
            found |= news
            waiting.extend(news)
        return frozenset(found)


def build_lineage(
    *, contracts: Sequence[Contract], graph: Graph, syncs: Sequence[SyncTarget], raw_schema: str = "raw"
) -> Lineage:
    """Join the three; a stream that no model reads still shows, a table that nobody describes too."""
    nodes = {node.id: node for node in (*_sources(contracts), *_models(graph), *_destinations(syncs))}
    edges = {(edge.source, edge.reader) for edge in graph.edges}
    for contract in contracts:
        table = str(TableName(schema=raw_schema, name=contract.stream))
        nodes[table] = _raw(contract, table)
        edges.add((_source_id(contract), table))
    for sync in syncs:
        edges.add((sync.model.removeprefix("lake."), _destination_id(sync)))
    order = list(Stage)
    ordered = sorted(nodes.values(), key=lambda n: (order.index(n.stage), n.label))
    return Lineage(
        nodes=tuple(ordered),
        edges=tuple(sorted(edge for edge in edges if edge[0] in nodes and edge[1] in nodes)),
    )


def _source_id(contract: Contract) -> str:
    if contract.kind is StreamKind.TOPIC:
        return f"topic:{contract.topic}"
    return f"extract:{contract.source}/{contract.resource}"


def _sources(contracts: Sequence[Contract]) -> Iterator[LineageNode]:
    for contract in contracts:
        topic = contract.kind is StreamKind.TOPIC
        yield LineageNode(
            id=_source_id(contract),
            label=contract.topic if topic else f"{contract.source}/{contract.resource}",
            stage=Stage.SOURCE,
            kind="topic" if topic else "extract",
            owner=contract.owner,
            description=contract.description,
            table="",
            items=_fields(contract),
            path=contract.file,
        )


def _raw(contract: Contract, table: str) -> LineageNode:
    return LineageNode(
        id=table,
        label=table,
        stage=Stage.RAW,
        kind="landing table",
        owner=contract.owner,
        description=contract.description,
        table=table,
        items=_fields(contract),
        path=contract.file,
    )


def _fields(contract: Contract) -> tuple[Item, ...]:
    return tuple(
        Item(
            name=f.name,
            type=getattr(f.type, "value", type(f.type).__name__.lower()),
            description=f.description,
        )
        for f in contract.fields
    )


def _models(graph: Graph) -> Iterator[LineageNode]:
    for node in graph.nodes:
        layer = Layer.of(TableName.parse(node.name).schema)
        stage = Stage.RAW if node.external else _STAGE_OF.get(layer, Stage.INTERMEDIATE)
        yield LineageNode(
            id=node.name,
            label=node.name,
            stage=stage,
            kind=node.kind.replace("_", " ").lower(),
            owner=node.owner,
            description=node.description,
            table=node.name,
            items=tuple(Item(name=c.name, type=c.type, description=c.description) for c in node.columns),
            path=node.path,
        )


def _destination_id(sync: SyncTarget) -> str:
    return f"sync:{sync.name}"


def _destinations(syncs: Sequence[SyncTarget]) -> Iterator[LineageNode]:
    for sync in syncs:
        yield LineageNode(
            id=_destination_id(sync),
            label=sync.name,
            stage=Stage.DESTINATION,
            kind=sync.kind,
            owner=sync.owner,
            description=sync.description,
            table="",
            items=tuple(Item(name=p, type="property", description=f"from {c}") for p, c in sync.fields),
            path=sync.path,
        )

"""Read what the catalog says about every table of a project: rows, commits, snapshots. No scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import sqlglot

from lake.catalog import LakeCatalog, TableState, load_table, open_catalog
from lake.contracts import Contract
from lake.inspect.values import Layer, TableFacts
from lake.mesh.graph import Graph, Node
from lake.mesh.lookup import CatalogViews
from lake.mesh.resolve import inline_views, tables_read
from lake.mesh.travel import DIALECT
from lake.settings import Settings
from lake.types import TableName

# The catalog answers in parallel; more callers than this only queue.
_WORKERS = 8
_TIMES = ("DATE", "TIMESTAMP")


def read_tables(settings: Settings, *, contracts: Sequence[Contract], graph: Graph) -> tuple[TableFacts, ...]:
    """Return landing tables and models of prod; one that was never written has no commit.

    Raises UnavailableError when the catalog doesn't answer.
    """
    catalog = open_catalog(settings)
    landing = list(_landing(settings, contracts))
    models = [node for node in graph.nodes if not node.external]
    beneath = _beneath(catalog, models)
    physical = {fact.table for fact in landing} | {name for names in beneath.values() for name in names}
    states = _load(catalog, physical)
    landed = (_landing_facts(entry, states[entry.table]) for entry in landing)
    built = (_model_facts(node, [states[name] for name in beneath[node.name]]) for node in models)
    return (*landed, *built)


class _Landing:
    """A landing table to ask for: what it is called and what its contract says."""

    def __init__(self, table: TableName, layer: Layer, contract: Contract) -> None:
        self.table = table
        self.layer = layer
        self.contract = contract


def _landing(settings: Settings, contracts: Sequence[Contract]) -> Iterator[_Landing]:
    for schema, layer in (
        (settings.landing.raw_schema, Layer.RAW),
        (settings.landing.quarantine_schema, Layer.QUARANTINE),
    ):
        for contract in contracts:
            yield _Landing(TableName(schema=schema, name=contract.stream), layer, contract)


def _beneath(catalog: LakeCatalog, models: Iterable[Node]) -> dict[str, tuple[TableName, ...]]:
    """Return the physical tables under each model's view; none when it was not promoted yet."""
    views = CatalogViews(catalog)
    found: dict[str, tuple[TableName, ...]] = {}
    for node in models:
        name = TableName.parse(node.name)
        if views(name) is None:
            found[node.name] = ()
            continue
        query = sqlglot.parse_one(f"SELECT * FROM lake.{name}", dialect=DIALECT)  # noqa: S608 - a checked name
        found[node.name] = tuple(sorted(tables_read(inline_views(query, views))))
    return found


def _load(catalog: LakeCatalog, names: Iterable[TableName]) -> Mapping[TableName, TableState | None]:
    ordered = sorted(names)
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(ordered, pool.map(lambda name: load_table(catalog, name), ordered), strict=True))


def _landing_facts(entry: _Landing, state: TableState | None) -> TableFacts:
    contract, good = entry.contract, entry.layer is Layer.RAW
    origin = f"topic {contract.topic}" if contract.topic else f"{contract.source} API"
    return TableFacts(
        name=str(entry.table),
        layer=entry.layer,
        kind=origin if good else "refused records",
        owner=contract.owner,
        description=contract.description if good else f"Records of {contract.stream} that break its contract",
        rows=state.rows if state else None,
        files=state.files if state else None,
        committed_at=state.committed_at if state else None,
        snapshots=_snapshots([state]),
        time_column=contract.event_time if good else "",
    )


def _model_facts(node: Node, states: Sequence[TableState | None]) -> TableFacts:
    alone = states[0] if len(states) == 1 and node.kind != "VIEW" else None
    commits: list[datetime] = [s.committed_at for s in states if s is not None and s.committed_at is not None]
    return TableFacts(
        name=node.name,
        layer=Layer.of(TableName.parse(node.name).schema),
        kind=node.kind.replace("_", " ").lower(),
        owner=node.owner,
        description=node.description,
        rows=alone.rows if alone else None,
        files=alone.files if alone else None,
        committed_at=max(commits, default=None),
        snapshots=_snapshots(states),
        time_column=_time_column(node),
    )


def _snapshots(states: Iterable[TableState | None]) -> tuple[tuple[str, int], ...]:
    return tuple((str(s.name), int(s.main)) for s in states if s is not None and s.main is not None)


def _time_column(node: Node) -> str:
    """Return the column that dates a row: of a model cut by time, the one of its grain that is a time."""
    if node.kind != "INCREMENTAL_BY_TIME_RANGE":
        return ""
    types = {column.name: column.type for column in node.columns}
    return next((name for name in node.grain if types.get(name, "").startswith(_TIMES)), "")

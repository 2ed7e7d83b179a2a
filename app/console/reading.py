"""Read everything on the health page side by side; no Streamlit, so that it can be read ahead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime

from app.console.parts import Problem, attempt
from app.console.remembered import Remembered
from ingest.status import StreamStatus, read_status
from lake.activation import read_syncs
from lake.clock import SystemClock
from lake.contracts import Contract, StreamKind, load_contracts
from lake.inspect.events import Known, read_newest_events
from lake.inspect.history import read_audits, read_builds, read_last_extract, read_last_runs
from lake.inspect.syncs import SyncFacts, read_sync
from lake.inspect.tables import read_tables
from lake.inspect.values import AuditLine, BuildLine, RunLine, TableFacts
from lake.mesh.graph import Graph, read_graph
from lake.settings import Project, Settings, find_project, load_settings

NewestEvents = dict[str, datetime | date | None]
# The newest event of each snapshot asked about, for the life of the process: a snapshot never changes.
KNOWN: Known = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the control database says about models."""

    audits: tuple[AuditLine, ...]
    builds: dict[str, BuildLine]
    runs: tuple[RunLine, ...]
    last_extract: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Everything on the health page, as of `at`."""

    at: datetime
    contracts: tuple[Contract, ...] | Problem
    graph: Graph | Problem
    tables: tuple[TableFacts, ...] | Problem
    events: NewestEvents | Problem
    lag: dict[str, StreamStatus] | Problem
    history: History | Problem
    syncs: tuple[SyncFacts, ...] | Problem


def open_project() -> tuple[Project, Settings]:
    """Return the project that the console was started in, its settings as they are now."""
    project = find_project()
    return project, load_settings(project=project)


def read_health() -> Health:
    """Read all parts side by side; each that fails is a Problem."""
    project = find_project()
    settings = load_settings(project=project)
    contracts = attempt(lambda: load_contracts(project.contracts))
    graph = attempt(lambda: read_graph(project))
    described = () if isinstance(contracts, Problem) else contracts
    modelled = Graph(nodes=(), edges=()) if isinstance(graph, Problem) else graph

    def tables_and_events() -> tuple[tuple[TableFacts, ...] | Problem, NewestEvents | Problem]:
        tables = attempt(lambda: read_tables(settings, contracts=described, graph=modelled))
        if isinstance(tables, Problem):
            return tables, tables
        return tables, attempt(lambda: read_newest_events(settings, tables, known=KNOWN))

    with ThreadPoolExecutor(4) as pool:
        both = pool.submit(tables_and_events)
        lag = pool.submit(attempt, lambda: _lag(settings, described))
        history = pool.submit(attempt, lambda: _history(settings))
        syncs = pool.submit(attempt, lambda: _syncs(project, settings))
        tables, events = both.result()
        return Health(
            at=SystemClock().now(),
            contracts=contracts,
            graph=graph,
            tables=tables,
            events=events,
            lag=lag.result(),
            history=history.result(),
            syncs=syncs.result(),
        )


def _lag(settings: Settings, contracts: tuple[Contract, ...]) -> dict[str, StreamStatus]:
    topics = [contract for contract in contracts if contract.kind is StreamKind.TOPIC]
    # Each waits for a fetch of its own topic: side by side.
    with ThreadPoolExecutor(max(1, len(topics))) as pool:
        found = pool.map(lambda contract: read_status(settings, [contract]), topics)
        return {status.stream: status for statuses in found for status in statuses}


def _history(settings: Settings) -> History:
    return History(
        audits=read_audits(settings.postgres),
        builds=read_builds(settings.postgres),
        runs=read_last_runs(settings.postgres),
        last_extract=read_last_extract(settings.postgres),
    )


def _syncs(project: Project, settings: Settings) -> tuple[SyncFacts, ...]:
    return tuple(read_sync(settings.postgres, sync.name) for sync in read_syncs(project))


HEALTH = Remembered(read_health, ttl=8, stale=300)

"""Run extracts: resources side by side, each in its own thread, with its own tables and cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event

import httpx

from ingest.extract.api.client import ApiClient
from ingest.extract.api.feed import ApiFeed
from ingest.extract.api.limits import HostGates
from ingest.extract.cursor import Cursor
from ingest.extract.definition import fill_in
from ingest.extract.feed import Feed
from ingest.extract.landing import ResourceTables
from ingest.extract.plan import Extract, plan_extracts
from ingest.extract.source import Source
from ingest.extract.tables import create_tables
from ingest.extract.walk import ExtractReport, OnProgress, ResourceRun, Surroundings
from lake.catalog import LakeCatalog, open_catalog
from lake.clock import Clock, SystemClock
from lake.log import get_logger
from lake.settings import LandingSettings, Project, Settings

log = get_logger("extract")


def _unseen(_name: str, _records: int) -> None:
    """Report progress to nobody."""


def run_sources(
    settings: Settings,
    names: Sequence[str] = (),
    *,
    clock: Clock | None = None,
    on_progress: OnProgress = _unseen,
    transport: httpx.BaseTransport | None = None,
) -> tuple[ExtractReport, ...]:
    """Fetch and land what is new in all or the named extracts; nothing new adds no snapshot.

    Resources fail on their own: the others finish, then the first error is raised. Safe to repeat and to
    kill at any moment. Raises UnavailableError (API, catalog or storage), ConfigurationError (credentials,
    files), ConflictError (another run of the same extract) and HistoryError (a table was rolled back).
    """
    clock = clock or SystemClock()
    project = Project(root=settings.project_root)
    extracts = plan_extracts(project, names)
    catalog = open_catalog(settings)
    create_tables(catalog, [extract.contract for extract in extracts], settings.landing)
    reports: list[ExtractReport] = []
    stop = Event()
    with _open_clients(extracts, settings, clock, stop=stop, transport=transport) as clients:

        def open_feed(extract: Extract, cursor: Cursor, since: str | None) -> Feed:
            client = clients[extract.source.source]
            return ApiFeed(extract.resource, client, since=since, place=cursor.place, stop=stop)

        around = Surroundings(
            open_feed=open_feed,
            spill=project.state / "spill",
            clock=clock,
            on_progress=on_progress,
            stop=stop,
        )
        for name in dict.fromkeys(extract.source.source for extract in extracts):
            own = [extract for extract in extracts if extract.source.source == name]
            reports += _side_by_side(own, catalog, settings.landing, around)
    return tuple(reports)


@contextmanager
def _open_clients(
    extracts: Sequence[Extract],
    settings: Settings,
    clock: Clock,
    *,
    stop: Event,
    transport: httpx.BaseTransport | None,
) -> Iterator[dict[str, ApiClient]]:
    """Yield a client per API; those of one host share its gate."""
    sources: dict[str, Source] = {extract.source.source: extract.source for extract in extracts}
    urls = {
        name: fill_in(source.base_url, settings.variables, source=name) for name, source in sources.items()
    }
    with ExitStack() as stack:
        gates = HostGates([(urls[name], source.rate_limit) for name, source in sources.items()], clock)
        stack.callback(gates.close)
        clients: dict[str, ApiClient] = {}
        for name, source in sources.items():
            gate = gates.of(urls[name])
            clients[name] = ApiClient(source, settings, clock, gate=gate, transport=transport, stop=stop)
            stack.callback(clients[name].close)
        yield clients


def _side_by_side(
    extracts: Sequence[Extract], catalog: LakeCatalog, landing: LandingSettings, around: Surroundings
) -> list[ExtractReport]:
    def run(extract: Extract) -> ExtractReport:
        tables = ResourceTables(catalog, extract.contract, extract.origin, landing, around.clock)
        return ResourceRun(extract, tables, around).run()

    with ThreadPoolExecutor(extracts[0].source.concurrency, "extract") as pool:
        futures = [pool.submit(run, extract) for extract in extracts]
        try:
            errors = [future.exception() for future in futures]
        except BaseException:
            around.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    found = [(extract, error) for extract, error in zip(extracts, errors, strict=True) if error is not None]
    for extract, error in found:
        log.error("extract.failed", extract=extract.name, reason=str(error))
    if found:
        raise found[0][1]
    return [future.result() for future in futures]

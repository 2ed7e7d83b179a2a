"""Run extracts: resources side by side, each in its own thread, with its own tables and cursor."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx

from ingest.extract.api.client import ApiClient
from ingest.extract.api.limits import HostGates
from ingest.extract.definition import fill_in
from ingest.extract.plan import Extract, plan_extracts
from ingest.extract.tables import create_tables
from ingest.extract.walk import ExtractReport, OnProgress, ResourceRun, Surroundings
from lake.catalog import open_catalog
from lake.clock import Clock, SystemClock
from lake.log import get_logger
from lake.settings import Project, Settings

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
    extracts = plan_extracts(Project(root=settings.project_root), names)
    catalog = open_catalog(settings)
    create_tables(catalog, [extract.contract for extract in extracts], settings.landing)
    reports: list[ExtractReport] = []
    sources = {extract.source.source: extract.source for extract in extracts}
    urls = {
        name: fill_in(source.base_url, settings.variables, source=name) for name, source in sources.items()
    }
    gates = HostGates([(urls[name], source.rate_limit) for name, source in sources.items()], clock)
    try:
        for name, source in sources.items():
            own = [extract for extract in extracts if extract.source.source == name]
            stop = Event()
            gate = gates.of(urls[name])
            client = ApiClient(source, settings, clock, gate=gate, transport=transport, stop=stop)
            around = Surroundings(
                client=client,
                catalog=catalog,
                landing=settings.landing,
                clock=clock,
                on_progress=on_progress,
                stop=stop,
            )
            try:
                reports += _side_by_side(own, around)
            finally:
                client.close()
    finally:
        gates.close()
    return tuple(reports)


def _side_by_side(extracts: Sequence[Extract], around: Surroundings) -> list[ExtractReport]:
    with ThreadPoolExecutor(extracts[0].source.concurrency, "extract") as pool:
        futures = [pool.submit(ResourceRun(extract, around).run) for extract in extracts]
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

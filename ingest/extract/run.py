"""Run extracts: resources side by side, each in its own thread, with its own tables and cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from threading import Event

import httpx

from ingest.care import TableCare
from ingest.extract.api.definition import ApiResource, ApiSource
from ingest.extract.definition import fill_in
from ingest.extract.feeds import Opening, open_feeds
from ingest.extract.files.definition import FilesResource
from ingest.extract.files.listing import find_files
from ingest.extract.files.run import FilesRun
from ingest.extract.landing import ResourceTables
from ingest.extract.plan import Extract, plan_extracts
from ingest.extract.report import ExtractReport, OnProgress
from ingest.extract.tables import create_tables
from ingest.extract.walk import ResourceRun, Surroundings
from lake.catalog import LakeCatalog, open_catalog
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

    Tables are created for manual sources too: models can be planned on what nobody has asked for yet.
    Resources fail on their own: the others finish, then the first error is raised. Safe to repeat and to
    kill at any moment. Raises UnavailableError (API, catalog or storage), ConfigurationError (credentials,
    files), ConflictError (another run of the same extract) and HistoryError (a table was rolled back).
    """
    clock = clock or SystemClock()
    project = Project(root=settings.project_root)
    extracts = plan_extracts(project, names)
    catalog = open_catalog(settings)
    create_tables(
        catalog,
        [extract.contract for extract in plan_extracts(project, names, manual=True)],
        settings.landing,
    )
    stop, spill = Event(), project.state / "spill"
    reports: list[ExtractReport] = []
    failures: list[BaseException] = []
    opening = Opening(
        settings=settings, catalog=catalog, clock=clock, spill=spill, stop=stop, transport=transport
    )
    with closing(TableCare(catalog, clock)) as care, open_feeds(extracts, opening) as open_feed:
        around = Surroundings(
            open_feed=open_feed, spill=spill, clock=clock, on_progress=on_progress, stop=stop
        )
        for name in dict.fromkeys(extract.source.source for extract in extracts):
            own = [extract for extract in extracts if extract.source.source == name]
            for outcome in _run_source(own, catalog, settings, around, care):
                if isinstance(outcome, BaseException):
                    failures.append(outcome)
                else:
                    reports.append(outcome)
    if failures:
        raise failures[0]
    return tuple(reports)


def _run_source(
    extracts: Sequence[Extract],
    catalog: LakeCatalog,
    settings: Settings,
    around: Surroundings,
    care: TableCare,
) -> Iterator[ExtractReport | BaseException]:
    """Run the resources of one source side by side, parents before their children."""

    def run(extract: Extract) -> ExtractReport:
        tables = ResourceTables(
            catalog, extract.contract, extract.origin, settings.landing, around.clock, care=care
        )
        if isinstance(extract.resource, FilesResource):
            return _run_files(extract, extract.resource, tables, settings, around)
        return ResourceRun(extract, tables, around).run()

    source = extracts[0].source
    with ThreadPoolExecutor(source.concurrency if isinstance(source, ApiSource) else 1, "extract") as pool:
        for generation in _generations(extracts):
            futures = {extract.name: pool.submit(run, extract) for extract in generation}
            try:
                wait(futures.values())
            except BaseException:
                around.stop.set()
                pool.shutdown(cancel_futures=True)
                raise
            for name, future in futures.items():
                if (error := future.exception()) is not None:
                    log.error("extract.failed", extract=name, reason=str(error))
                yield error or future.result()


def _run_files(
    extract: Extract,
    resource: FilesResource,
    tables: ResourceTables,
    settings: Settings,
    around: Surroundings,
) -> ExtractReport:
    where = fill_in(resource.path or resource.manifest, settings.variables, source=extract.source.source)
    run = FilesRun(
        extract.origin,
        resource,
        extract.contract,
        tables,
        commit_rows=extract.source.commit_rows,
        clock=around.clock,
        on_progress=around.on_progress,
    )
    return run.run(find_files(resource, settings, where))


def _generations(extracts: Sequence[Extract]) -> Iterator[list[Extract]]:
    """Yield those without a parent, then their children, then theirs."""
    depth: dict[str, int] = {}
    for extract in extracts:
        parent = extract.resource.parent if isinstance(extract.resource, ApiResource) else None
        depth[extract.resource.name] = 0 if parent is None else depth.get(parent.resource, 0) + 1
    for level in sorted(set(depth.values())):
        yield [extract for extract in extracts if depth[extract.resource.name] == level]

"""Land one file by hand: known by its content, so that it lands once whatever it is called."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ingest.care import TableCare
from ingest.extract.files.definition import FilesResource, Format
from ingest.extract.files.listing import find_files
from ingest.extract.files.run import FilesRun
from ingest.extract.landing import Origin, ResourceTables
from ingest.extract.report import ExtractReport, OnProgress
from ingest.tables import find_routing
from lake.catalog import open_catalog
from lake.clock import Clock, SystemClock
from lake.contracts import StreamKind, load_contracts
from lake.errors import BadInputError
from lake.settings import Project, Settings

SOURCE = "land"
_COMMIT_ROWS = 1_000_000


def land_file(
    settings: Settings,
    file: str,
    stream: str,
    *,
    form: Format | None = None,
    zone: str = "",
    clock: Clock | None = None,
    on_progress: OnProgress = lambda _name, _records: None,
) -> ExtractReport:
    """Land a file (local path or s3://) into a stream; the same content a second time moves nothing.

    Raises BadInputError for an unknown stream or a file that can't be read, and what a run of files raises.
    """
    clock = clock or SystemClock()
    contracts = load_contracts(Project(root=settings.project_root).contracts)
    contract = next((c for c in contracts if c.stream == stream), None)
    if contract is None:
        raise BadInputError(
            f"no contract describes the stream {stream}",
            hint=f"use {', '.join(c.stream for c in contracts)}, or write ingest/contracts/{stream}.yaml",
        )
    catalog = open_catalog(settings)
    routing = None
    if contract.kind is StreamKind.TOPIC:
        routing = find_routing(catalog, settings.landing, contract, contracts)
    where = file if file.startswith("s3://") else str(Path(file).absolute())
    resource = FilesResource(
        name=stream, stream=stream, path=where, format=form, zone=zone, identity="content"
    )
    origin = Origin(source=SOURCE, resource=stream)
    with closing(TableCare(catalog, clock)) as care:
        tables = ResourceTables(
            catalog, contract, origin, settings.landing, clock, routing=routing, care=care
        )
        run = FilesRun(
            origin, resource, contract, tables, commit_rows=_COMMIT_ROWS, clock=clock, on_progress=on_progress
        )
        return run.run(find_files(resource, settings, where))

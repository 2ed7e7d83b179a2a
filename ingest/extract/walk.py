"""Walk one resource to its last page and land what is new on the way.

1. Ask for everything from the cursor on; 304 says that nothing changed, and the run is over.
2. Every `commit_rows` records: check, leave out what is known, commit rows and cursor together.
3. After the last page, before the last commit, ask once more from the new cursor on. When that answer is
   complete and holds nothing new, its ETag is kept with the cursor, so that the next run can be 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

from ingest.extract.api.client import ApiClient, Validator
from ingest.extract.api.page import Page
from ingest.extract.api.pagination import Walk
from ingest.extract.cursor import Cursor
from ingest.extract.judge import Judge, Judged
from ingest.extract.landing import ResourceTables
from ingest.extract.plan import Extract
from ingest.extract.sift import Sifted, sift
from ingest.extract.tables import keys_of
from lake.catalog import LakeCatalog
from lake.clock import Clock
from lake.log import get_logger
from lake.settings import LandingSettings

log = get_logger("extract")

OnProgress = Callable[[str, int], None]  # source/resource, records fetched so far


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractReport:
    """What one run did with one resource."""

    source: str
    resource: str
    stream: str
    pages: int
    fetched: int  # records in the answers, known ones too
    landed: int
    quarantined: int
    commits: int
    since: str | None  # the cursor afterwards
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all resources of a run share."""

    client: ApiClient
    catalog: LakeCatalog
    landing: LandingSettings
    clock: Clock
    on_progress: OnProgress
    stop: Event  # set: end after the page that is under way


class ResourceRun:
    """One run of one extract."""

    def __init__(self, extract: Extract, around: Surroundings) -> None:
        self._extract = extract
        self._around = around
        self._keys = keys_of(extract.contract, extract.resource.incremental.cursor)
        self._judge = Judge(extract.contract, instant=self._keys.instant, clock=around.clock)
        self._pages = self._fetched = self._landed = self._quarantined = 0

    def run(self) -> ExtractReport:
        """Do it; raises what fetching and committing raise. What was committed before stays."""
        around, extract = self._around, self._extract
        started = around.clock.monotonic()
        tables = ResourceTables(around.catalog, extract.contract, around.landing, self._keys, around.clock)
        commits = tables.stored.commits
        first = self._fetch(
            Walk(resource=extract.resource), tables.stored.since, etag=tables.stored.etag
        )  # 1
        if first is not None:
            self._land_all(first, tables)
        after = tables.stored
        report = ExtractReport(
            source=extract.source.source,
            resource=extract.resource.name,
            stream=extract.contract.stream,
            pages=self._pages,
            fetched=self._fetched,
            landed=self._landed,
            quarantined=self._quarantined,
            commits=after.commits - commits,
            since=after.since,
            seconds=around.clock.monotonic() - started,
        )
        log.info("extract.done", extract=extract.name, landed=report.landed, quarantined=report.quarantined)
        return report

    def _land_all(self, first: Page, tables: ResourceTables) -> None:
        cursor, pending = tables.start()
        for records, last in self._batches(first, cursor.since):  # 2
            judged = self._judge.judge(records)
            sifted = sift(judged.checked, cursor, self._keys, pending=pending)
            if last and sifted.count:
                sifted = replace(sifted, cursor=self._with_etag(sifted.cursor))  # 3
            self._land(tables, judged, sifted, last=last)
            cursor, pending = sifted.cursor, sifted.pending

    def _land(self, tables: ResourceTables, judged: Judged, sifted: Sifted, *, last: bool) -> None:
        if sifted.count == 0:
            return
        tables.land(judged, sifted, last=last)
        self._landed += sifted.rows.num_rows
        self._quarantined += len(sifted.bad)

    def _batches(self, page: Page, since: str | None) -> Iterator[tuple[Sequence[bytes], bool]]:
        """Yield the records of all pages, at least `commit_rows` at a time; True goes with the last."""
        walk: Walk | None = Walk(resource=self._extract.resource)
        records: list[bytes] = []
        while True:
            self._pages += 1
            self._fetched += len(page.records)
            self._around.on_progress(self._extract.name, self._fetched)
            records += page.records
            assert walk is not None
            walk = walk.advance(page)
            if walk is None:
                yield records, True
                return
            if self._around.stop.is_set():
                return
            if len(records) >= self._extract.source.commit_rows:
                yield records, False
                records = []
            following = self._fetch(walk, since)
            assert following is not None  # asked without an ETag
            page = following

    def _fetch(self, walk: Walk, since: str | None, *, etag: str | None = None) -> Page | None:
        validator = Validator(etag=etag)
        return self._around.client.fetch(self._extract.resource, walk.ask(since), validator=validator).page

    def _with_etag(self, cursor: Cursor) -> Cursor:
        """Return the cursor with the ETag of a complete answer that holds only what is known."""
        resource = self._extract.resource
        walk = Walk(resource=resource)
        answer = self._around.client.fetch(resource, walk.ask(cursor.since))
        page = answer.page
        if answer.validator.etag is None or page is None or walk.advance(page):
            return cursor
        again = sift(self._judge.judge(page.records).checked, cursor, self._keys)
        return replace(cursor, etag=answer.validator.etag) if again.count == 0 else cursor

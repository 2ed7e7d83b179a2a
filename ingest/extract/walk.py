"""Walk one resource to its end and land what is new on the way.

1. Ask for everything from the cursor on, `lookback` earlier; "not changed" ends the run.
2. Every `commit_rows` records: check, leave out what is known, commit rows and cursor together.
3. After a complete walk of a full refresh, what it did not meet is gone: land that as deletes.
4. The last commit moves the cursor, unless the walk went on with a killed one's: pages are cut anew when
   records change, so what was not seen yet may have moved to pages that were. The next walk, from where
   the killed one began, meets it; what is known is left out. Before that commit an API is asked once more
   from there on: when its answer is complete and holds nothing new, its ETag is kept, so that the next run
   can end at 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ingest.extract.cursor import Cursor, Instant, end_walk, look_back, parse_instant, see
from ingest.extract.definition import ComparedResource
from ingest.extract.feed import Feed
from ingest.extract.judge import Judge
from ingest.extract.known import Latest, Versions
from ingest.extract.plan import Extract
from ingest.extract.quarantined import Quarantined
from ingest.extract.records import Records, gather, in_pieces, with_last
from ingest.extract.report import ExtractReport, OnProgress
from ingest.extract.sift import Fresh, deleted, sift
from ingest.extract.tables import keys_of, raw_rows
from ingest.quarantine import BadRecord
from lake.clock import Clock
from lake.errors import RefusedError
from lake.log import get_logger

log = get_logger("extract")

OpenFeed = Callable[[Extract, Cursor, str | None], Feed]


class Tables(Protocol):
    """Where rows and cursor land, and what has landed."""

    def begin(self) -> None: ...

    @property
    def stored(self) -> Cursor: ...

    @property
    def next_number(self) -> int: ...

    def rows(
        self, columns: Sequence[str], *, at_least: Mapping[str, str | int] | None = None
    ) -> Iterator[pa.RecordBatch]: ...

    def quarantined(self) -> Quarantined: ...

    def land(self, good: pa.Table, bad: Sequence[BadRecord], after: Cursor) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all resources of a run share."""

    open_feed: OpenFeed
    spill: Path  # where DuckDB may put what doesn't fit into its memory
    clock: Clock
    on_progress: OnProgress
    stop: Event  # set: end after the page that is under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one commit takes, and where the source stands after it."""

    fresh: Fresh
    cursor: Cursor


class ResourceRun:
    """One run of one extract."""

    def __init__(self, extract: Extract, tables: Tables, around: Surroundings) -> None:
        self._extract = extract
        self._tables = tables
        self._around = around
        assert isinstance(extract.resource, ComparedResource)
        self._refresh, contract = extract.resource.refresh, extract.contract
        incremental = extract.resource.incremental
        self._keys = keys_of(contract, str(extract.origin), incremental.cursor if incremental else None)
        self._lookback = incremental.lookback if incremental else 0.0
        self._judge = Judge(contract, instant=self._keys.instant, clock=around.clock)
        self._begun, self._widened = False, self._keys.instant is None
        self._next = self._tables.next_number
        self._fetched = self._landed = self._deleted = self._bad = 0

    def run(self) -> ExtractReport:
        """Do it; raises what fetching and committing raise. What was committed before stays."""
        around, extract = self._around, self._extract
        started = around.clock.monotonic()
        before = self._tables.stored
        self._since = self._ask_from(before)
        self._feed = around.open_feed(extract, before, self._since)  # 1
        for step, last in with_last(self._steps(before)):
            self._land(step, last=last)
        after = self._tables.stored
        report = ExtractReport(
            source=extract.source.source,
            resource=extract.resource.name,
            stream=extract.contract.stream,
            fetched=self._fetched,
            landed=self._landed,
            deleted=self._deleted,
            quarantined=self._bad,
            commits=after.commits - before.commits,
            since=after.since,
            seconds=around.clock.monotonic() - started,
        )
        log.info("extract.done", extract=extract.name, landed=report.landed, quarantined=report.quarantined)
        return report

    def _steps(self, cursor: Cursor) -> Iterator[Step]:
        """Yield what each commit takes (2, 3)."""
        start, ordered = cursor.since, self._feed.ascending
        reached: Any = None
        for block in gather(self._feed.blocks(), self._extract.source.commit_rows):
            self._begin()
            self._fetched += len(block.records)
            self._around.on_progress(self._extract.name, self._fetched)
            fresh, newest = self._sift(block.records)
            if ordered and self._goes_back(fresh, reached):
                log.warning("extract.disordered", extract=self._extract.name)
                ordered, cursor = False, replace(cursor, since=start, high=cursor.since)
            reached = newest if reached is None else max(reached, newest or reached)
            cursor = see(cursor, newest, self._keys.instant_type)
            if ordered:
                cursor = end_walk(cursor, self._keys.instant_type)
            cursor = replace(cursor, sequence=fresh.next, place=block.place)
            yield Step(fresh=fresh, cursor=cursor)
        for rows in self._gone():
            fresh = deleted(rows, start=self._next)
            self._next = fresh.next
            cursor = replace(cursor, sequence=fresh.next)
            yield Step(fresh=fresh, cursor=cursor)

    def _land(self, step: Step, *, last: bool) -> None:
        cursor, fresh = step.cursor, step.fresh
        if last:  # 4
            if not self._feed.resumed:
                cursor = end_walk(cursor, self._keys.instant_type)
            moved = fresh.count + self._landed + self._bad > 0
            since = self._ask_from(cursor)
            cursor = replace(cursor, place=self._feed.settled(since, self._is_known, moved=moved))
        if fresh.count == 0 and (not last or cursor.stands_like(self._tables.stored)):
            return
        rows = raw_rows(self._extract.contract, fresh, self._keys, self._around.clock.now())
        self._tables.land(rows, fresh.bad, cursor)
        self._landed += rows.num_rows
        self._deleted += rows.num_rows if fresh.deletes else 0
        self._bad += len(fresh.bad)

    def _sift(self, records: Records) -> tuple[Fresh, Instant | None]:
        """Return what is new, and the newest instant of all that was given."""
        judged = self._judge.judge(records)
        newest: Instant | None = None
        if self._keys.instant is not None:
            instants = pc.min_max(judged.rows.column(self._keys.instant)).as_py()
            newest = instants["max"]
            self._widen(instants["min"])
        fresh = sift(judged, self._keys, self._known, self._quarantined, start=self._next)
        self._next = fresh.next
        return fresh, newest

    def _is_known(self, records: Records) -> bool:
        return self._sift(records)[0].count == 0

    def _goes_back(self, fresh: Fresh, reached: Any) -> bool:
        if reached is None or self._keys.instant is None or not fresh.rows.num_rows:
            return False
        oldest = pc.min(fresh.rows.column(self._keys.instant)).as_py()
        return bool(oldest < reached)

    def _ask_from(self, cursor: Cursor) -> str | None:
        return look_back(cursor.since, self._lookback, self._keys.instant_type)

    def _begin(self) -> None:
        """Prepare for the first records: what is known of the table, what is final in quarantine."""
        if self._begun:
            return
        self._begun = True
        self._tables.begin()
        self._quarantined = self._tables.quarantined()
        spill, columns = self._around.spill, self._keys.columns
        if self._keys.instant is None:
            primary = [field.name for field in self._keys.primary]
            latest = Latest(spill, primary, columns, source=self._keys.resource)
            latest.load(self._tables.rows(columns))
            self._known: Versions | Latest = latest
            return
        versions = Versions(spill, columns)
        since = {} if self._since is None else {self._keys.instant: self._bound(self._since)}
        versions.load(self._tables.rows(columns, at_least=since))
        self._known = versions

    def _widen(self, oldest: Instant | None) -> None:
        """Learn the whole table once a record is older than what was asked for."""
        if oldest is None or self._since is None or self._widened:
            return
        if oldest < parse_instant(self._since, self._keys.instant_type):
            log.warning("extract.older_than_asked", extract=self._extract.name, since=self._since)
            assert isinstance(self._known, Versions)
            self._known.load(self._tables.rows(self._keys.columns))
            self._widened = True

    def _bound(self, since: str) -> str | int:
        instant = parse_instant(since, self._keys.instant_type)
        return instant if isinstance(instant, int) else str(instant.isoformat())

    def _gone(self) -> Iterator[pa.Table]:
        """Yield the keys that a complete walk did not meet."""
        refresh = self._refresh
        if refresh is None or not refresh.deletes or not self._feed.complete:
            return
        self._begin()
        known = self._known
        assert isinstance(known, Latest)
        if known.doubts:
            log.warning("extract.deletes_left_out", extract=self._extract.name, unreadable=known.doubts)
            return
        gone = known.count_gone()
        if gone == 0:
            return
        if gone > refresh.max_deleted * known.before:
            raise RefusedError(
                f"{self._extract.name} no longer has {gone:,} of the {known.before:,} records that it had:"
                f" more than refresh.max_deleted ({refresh.max_deleted:g}) allows, so no delete lands",
                hint=f"look at the source; if they are gone for good, raise max_deleted in"
                f" ingest/sources/{self._extract.source.source}.yaml",
            )
        yield from in_pieces(
            known.gone(self._tables.rows(self._keys.columns)), self._extract.source.commit_rows
        )

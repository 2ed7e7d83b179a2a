"""Land files, each once: many small ones in one commit, a large one in several.

1. Files that the cursor knows are passed over; one that changed under its name is refused. Content that
   another origin landed in this table, as `lake land` does, is passed over, too.
2. A file begins at the row that its last commit reached. Rows are known by file and number.
3. A commit takes rows of one or more files, and the cursor says which are done and how far one is.
4. A file that can't be read takes back what of it is not committed; the others land, then it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from ingest.extract.cursor import Cursor
from ingest.extract.files.definition import FilesResource
from ingest.extract.files.listing import FoundFile
from ingest.extract.files.reader import Piece, read_file
from ingest.extract.judge import Judge
from ingest.extract.landing import Origin, ResourceTables
from ingest.extract.report import ExtractReport, OnProgress
from ingest.extract.tables import key_text
from ingest.meta import with_meta
from ingest.quarantine import BadRecord
from lake.clock import Clock
from lake.contracts import Contract
from lake.errors import BadInputError, LakeError, TerminalError
from lake.log import get_logger
from lake.types import Offset, Partition

log = get_logger("extract")

MOST_FILES = 50_000


@dataclass(slots=True, kw_only=True)
class Batch:
    """What the coming commit takes."""

    rows: list[pa.Table] = field(default_factory=list)
    bad: list[tuple[str, tuple[BadRecord, ...]]] = field(default_factory=list)
    count: int = 0


class FilesRun:
    """One run over the files of one resource."""

    def __init__(
        self,
        origin: Origin,
        resource: FilesResource,
        contract: Contract,
        tables: ResourceTables,
        *,
        commit_rows: int,
        clock: Clock,
        on_progress: OnProgress,
    ) -> None:
        self._origin = origin
        self._resource = resource
        self._contract = contract
        self._tables = tables
        self._commit_rows = commit_rows
        self._clock = clock
        self._on_progress = on_progress
        self._judge = Judge(contract, instant=None, clock=clock)
        self._batch = Batch()
        self._seen = self._landed = self._bad = 0

    def run(self, files: Sequence[FoundFile]) -> ExtractReport:
        """Land what is new; raises the first error of a file after the others have landed."""
        started = self._clock.monotonic()
        before = self._tables.stored
        self._cursor = before
        self._others = self._tables.landed_by_others()
        failures: list[LakeError] = []
        todo = [file for file in files if self._is_new(file, failures)]  # 1
        if len(before.place.get("files", {})) + len(todo) > MOST_FILES:
            raise TerminalError(
                f"{self._origin} would know more than {MOST_FILES:,} files",
                hint="narrow path to the folders that are still written, or add a resource for them",
            )
        if todo:
            self._tables.begin()
            self._final = self._tables.pending_offsets()
        for file in todo:
            try:
                self._read(file)
            except BadInputError as error:  # 4
                log.warning("extract.file_refused", file=file.name, reason=error.message)
                failures.append(error)
        if self._batch.count or not self._cursor.stands_like(self._tables.stored):
            self._commit()
        if failures:
            raise failures[0]
        after = self._tables.stored
        return ExtractReport(
            source=self._origin.source,
            resource=self._origin.resource,
            stream=self._contract.stream,
            fetched=self._seen,
            landed=self._landed,
            deleted=0,
            quarantined=self._bad,
            commits=after.commits - before.commits,
            since=None,
            seconds=self._clock.monotonic() - started,
        )

    def _is_new(self, file: FoundFile, failures: list[LakeError]) -> bool:
        origin, is_done = self._others.get(file.key, ("", False))
        if origin and not is_done:
            failures.append(
                TerminalError(
                    f"{file.name} has landed in part by {origin}",
                    hint=f"lake extract run {origin}, or lake land it again: that lands the rest",
                )
            )
        if origin:
            return False
        known = self._cursor.place.get("files", {}).get(file.key)
        begun = self._cursor.place.get("open", {}).get(file.key)
        found = known or (begun[0] if begun else None)
        if found is not None and found != file.version:
            reached = "" if known else f" when {begun[1]} rows of it had landed"
            failures.append(
                TerminalError(
                    f"{file.name} changed after it had landed{reached}: it is not read again",
                    hint="give the new content a name of its own",
                )
            )
            return False
        return known is None

    def _read(self, file: FoundFile) -> None:
        source = f"{self._origin}:{file.name}"
        final = self._final.get(source, frozenset())
        start = self._cursor.place.get("open", {}).get(file.key, [file.version, 0])[1]  # 2
        kept = (len(self._batch.rows), len(self._batch.bad), self._batch.count, self._cursor)
        commits = self._tables.stored.commits
        try:
            for piece in read_file(file, self._resource, self._contract, skip=start):
                self._take(piece, source, final)
                self._cursor = self._moved(file, piece.next)
                if self._batch.count >= self._commit_rows:
                    self._expect_unchanged(file)
                    self._commit()  # 3
            self._expect_unchanged(file)
        except BadInputError:
            if self._tables.stored.commits == commits:
                rows, bad, count, cursor = kept
                del self._batch.rows[rows:], self._batch.bad[bad:]
                self._batch.count, self._cursor = count, cursor
            else:
                self._batch, self._cursor = Batch(), self._tables.stored
            raise
        self._cursor = self._moved(file, None)

    def _take(self, piece: Piece, source: str, final: frozenset[int]) -> None:
        judged = self._judge.judge(piece.records)
        rows, numbers = judged.rows, piece.numbers.take(judged.good)
        if final:
            new = pa.array([number not in final for number in numbers.to_pylist()], pa.bool_())
            rows, numbers = rows.filter(new), numbers.filter(new)
        raw = judged.records.raw(judged.bad)
        refused = [
            (piece.numbers[place].as_py(), value, judged.failures[place])
            for place, value in zip(judged.bad, raw, strict=True)
        ]
        refused += [(number, line, (failure,)) for number, line, failure in piece.broken]
        bad = tuple(
            BadRecord(
                partition=Partition(0),
                offset=Offset(number),
                key=None,
                value=value,
                produced_at=None,
                failures=failures,
            )
            for number, value, failures in sorted(refused)
            if number not in final
        )
        landed = with_meta(
            rows,
            pa.table({"offset": numbers, "key": key_text(self._contract, rows)}),
            source=source,
            partition=Partition(0),
            version=self._contract.version,
            landed_at=self._clock.now(),
        )
        self._batch.rows.append(landed)
        self._batch.bad += [(source, bad)] if bad else []
        read = len(piece.records) + len(piece.broken)
        self._batch.count += read
        self._seen += read
        self._on_progress(f"{self._origin.source}/{self._origin.resource}", self._seen)

    def _moved(self, file: FoundFile, row: int | None) -> Cursor:
        """Return the cursor when the file is read up to a row, or (None) to its end."""
        place: Mapping[str, Any] = self._cursor.place
        files, begun = dict(place.get("files", {})), dict(place.get("open", {}))
        if row is None:
            files[file.key] = file.version
            begun.pop(file.key, None)
        else:
            begun[file.key] = [file.version, row]
        return replace(self._cursor, place={"files": files, "open": begun})

    def _expect_unchanged(self, file: FoundFile) -> None:
        if not file.is_unchanged():
            raise BadInputError(
                f"{file.name} changed while it was read",
                hint="write it under another name first, then rename it",
            )

    def _commit(self) -> None:
        batch, self._batch = self._batch, Batch()
        after = replace(self._cursor, sequence=self._tables.stored.sequence + batch.count)
        rows = pa.concat_tables(batch.rows) if batch.rows else self._empty()
        self._tables.land_files(rows, batch.bad, after)
        self._cursor = self._tables.stored
        self._landed += rows.num_rows
        self._bad += sum(len(bad) for _, bad in batch.bad)

    def _empty(self) -> pa.Table:
        return self._tables.no_rows()

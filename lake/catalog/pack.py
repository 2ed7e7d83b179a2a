"""Read many data files of one partition and write one, batch by batch, proving that the rows are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lake.catalog.errors import mapped
from lake.catalog.files import WrittenFile, fit_to_table, write_file
from lake.catalog.live_files import LiveFile, LiveFiles
from lake.catalog.tables import TableState
from lake.catalog.tidy import read_live_rows
from lake.errors import TerminalError
from lake.types import quote_identifier

_PART_BYTES = 64 * 1024 * 1024  # of Arrow memory: written as one row group


@dataclass(slots=True)
class Digest:
    """Count and sum of hashes of rows, in whatever order they come."""

    rows: int = 0
    total: int = 0
    _engine: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect, repr=False, compare=False)

    def add(self, rows: pa.Table) -> None:
        columns = ", ".join(quote_identifier(name) for name in rows.column_names)
        self._engine.register("rows_of_digest", rows)
        found = self._engine.execute(
            f"SELECT count(*), coalesce(sum(hash({columns})), 0) FROM rows_of_digest"  # noqa: S608 - quoted
        ).fetchone()
        self._engine.unregister("rows_of_digest")
        assert found is not None
        self.rows, self.total = self.rows + int(found[0]), self.total + int(found[1])


def pack_files(state: TableState, live: LiveFiles, files: Sequence[LiveFile]) -> WrittenFile | None:
    """Write the live rows of files of one partition as one new file; None when no row is left.

    Memory is bounded by one source file and a part of the new one. Nothing is committed.
    Raises TerminalError when what was written, read back, isn't what was read.
    """
    handles = {e.data_file.file_path: e.data_file for _, entries in live.manifests for e in entries}
    before, after = Digest(), Digest()
    parts = _parts(state, live, files, before)
    first = next(parts, None)
    if first is None:
        return None
    written = write_file(state, handles[files[0].path].partition, _chained(first, parts))
    for rows in _read_back(state, written):
        after.add(rows)
    if before != after:
        raise TerminalError(
            f"{state.name}: {written.path} holds {after.rows} rows that differ from the {before.rows} read:"
            " it is not put into the table",
            hint="check the storage; the table is as it was",
        )
    return written


def _parts(
    state: TableState, live: LiveFiles, files: Sequence[LiveFile], digest: Digest
) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for file in files:
        rows = fit_to_table(state, read_live_rows(state, live, [file]))
        digest.add(rows)
        if rows.num_rows:
            waiting.append(rows)
        if sum(part.nbytes for part in waiting) >= _PART_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _chained(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _read_back(state: TableState, written: WrittenFile) -> Iterator[pa.Table]:
    with (
        mapped(f"read {written.path}"),
        state.handle.io.new_input(written.path).open() as stream,
    ):
        file = pq.ParquetFile(stream)
        for group in range(file.num_row_groups):
            yield fit_to_table(state, file.read_row_group(group))

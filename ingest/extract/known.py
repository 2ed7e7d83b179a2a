"""What is known already, as keys and hashes in DuckDB: the table is the state, this is how it is asked.

`Versions` knows contents: a record is new when no row of the table has the same (incremental extracts).
`Latest` knows the newest content of each key: a record is new when it differs from that, and a key that
a complete walk did not meet is gone (full refresh: a changelog against the last snapshot).
A hash is the MD5 of the columns as JSON, 128 bits; DuckDB keeps 16 to 40 bytes a row and spills to disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import duckdb
import pyarrow as pa

from ingest.extract.records import in_pieces
from lake.errors import TransientError, first_line
from lake.postgres import read_sections
from lake.types import quote_identifier

_SQL = read_sections("ingest.extract", "known.sql")
_MEMORY = "512MB"
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Novel:
    """What of some rows is new: ascending positions, and the operation of each (None: no changelog)."""

    positions: pa.Int64Array
    ops: pa.StringArray | None = None


class Known(Protocol):
    """Tells new rows from known ones, and knows them from then on."""

    def take(self, rows: pa.Table) -> Novel:
        """Return what is new; rows are in the order of the source."""

    def meet(self, keys: pa.Table, *, unreadable: int = 0) -> None:
        """Note keys that are still there though their records don't land, and how many can't be read."""


def open_duckdb(spill: Path) -> duckdb.DuckDBPyConnection:
    """Open a small database in memory, which goes on in a folder below `spill` when it is full."""
    spill.mkdir(mode=0o700, parents=True, exist_ok=True)  # DuckDB makes the last folder of a path alone
    folder = spill / uuid4().hex
    return duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1, "temp_directory": str(folder)})


@contextmanager
def spilling(connection: duckdb.DuckDBPyConnection, spill: Path) -> Iterator[None]:
    """Turn DuckDB's full memory on a full disk into an error that names the folder; give the space back."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        connection.close()
        raise TransientError(
            f"what the table holds fits neither into {_MEMORY} of memory nor into {spill}"
            f" ({first_line(error)})",
            hint=f"make space there (df -h {spill}) and run the extract again: what has landed stays",
        ) from error


class _Store:
    """A DuckDB in memory; one thread at a time. Raises TransientError where the disk is too small for it."""

    def __init__(self, spill: Path, key: Iterable[str], columns: Iterable[str]) -> None:
        self.connection = open_duckdb(spill)
        self._spill = spill
        names = tuple(key)
        self.expressions = {
            "key": _hash(names),
            "content": _hash(columns),
            "columns": ", ".join(f"batch.{quote_identifier(name)}" for name in names),
        }
        self.connection.execute(_SQL["create"])

    def run(self, section: str, batch: pa.Table | None = None, **values: Any) -> duckdb.DuckDBPyConnection:
        """Run a section over `batch`, whose rows get their `position`."""
        if batch is not None:
            numbered = batch.append_column("position", pa.array(range(batch.num_rows), pa.int64()))
            self.connection.register("batch", numbered)
        with spilling(self.connection, self._spill):
            return self.connection.execute(_SQL[section].format_map(self.expressions), values or None)

    def table(self, section: str, batch: pa.Table | None = None, **values: Any) -> pa.Table:
        found = self.run(section, batch, **values)
        with spilling(self.connection, self._spill):
            return found.to_arrow_table()

    def count(self, section: str) -> int:
        return int(self.run(section).fetchall()[0][0])


class Versions:
    """Contents that are known."""

    def __init__(self, spill: Path, columns: Iterable[str]) -> None:
        self._store = _Store(spill, (), columns)

    def load(self, rows: Iterable[pa.RecordBatch]) -> None:
        """Learn what the table holds."""
        for some in pieces(rows):
            self._store.run("remember_versions", some)

    def take(self, rows: pa.Table) -> Novel:
        self._store.run("new_versions", rows)
        self._store.run("keep_new_versions")
        return Novel(positions=_int64(self._store.table("positions"), "position"))

    def meet(self, keys: pa.Table, *, unreadable: int = 0) -> None:
        """Nothing is missed here."""


class Latest:
    """The newest content of every key of one source."""

    def __init__(self, spill: Path, key: Iterable[str], columns: Iterable[str], *, source: str) -> None:
        self.doubts = 0  # records whose key can't be read: any of the missed keys may be theirs
        self.before = 0  # keys that the table held
        self._source = source
        self._store = _Store(spill, key, columns)

    def load(self, rows: Iterable[pa.RecordBatch]) -> None:
        """Learn what the table holds: the columns and `meta` of all its rows, in any order."""
        for some in pieces(rows):
            self._store.run("remember_history", some, source=self._source)
        self._store.run("settle_history")
        self.before = self._store.count("count_latest")

    def take(self, rows: pa.Table) -> Novel:
        self._store.run("changes", rows)
        self._store.run("keep_changes")
        changed = self._store.table("changed_positions")
        self.meet(rows)
        return Novel(positions=_int64(changed, "position"), ops=changed.column("op").combine_chunks())

    def meet(self, keys: pa.Table, *, unreadable: int = 0) -> None:
        self._store.run("note_seen", keys)
        self.doubts += unreadable

    def count_gone(self) -> int:
        """Return how many keys were not met."""
        return self._store.count("count_gone")

    def gone(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Yield the keys that were not met, out of the table's key columns and `meta`."""
        self._store.run("collect_gone")
        for some in pieces(rows):
            yield self._store.table("keys_gone", some, source=self._source)


def pieces(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join small batches: each statement has a price of its own."""
    return in_pieces((pa.Table.from_batches([batch]) for batch in rows), _ROWS_AT_ONCE)


def _hash(columns: Iterable[str]) -> str:
    texts = ", ".join(f"{quote_identifier(name)}::VARCHAR" for name in columns)
    return f"md5_number(to_json([{texts}])::VARCHAR)"


def _int64(table: pa.Table, column: str) -> pa.Int64Array:
    return table.column(column).cast(pa.int64()).combine_chunks()

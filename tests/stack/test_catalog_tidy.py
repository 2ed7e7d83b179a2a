"""Rewriting a table's files changes no row, at any moment, for any reader."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import duckdb
import pytest

from lake.catalog.commits import Conflict, Landed
from lake.catalog.live_files import read_live_files
from lake.catalog.open import LakeCatalog, open_catalog
from lake.catalog.tables import TableState, load_table
from lake.catalog.tidy import TidyPolicy, tidy
from lake.clock import Deadline, SystemClock
from lake.mesh.engine import open_engine
from lake.settings import Settings
from lake.types import TableName

pytestmark = pytest.mark.stack

EAGER = TidyPolicy(small_bytes=1 << 30, small_files=3, dead_share=0.1, delete_files=2)
ROWS = (
    "i::BIGINT AS id, (i % 7)::INT AS g, (i / 3)::FLOAT AS x, {'a': i, 'b': [i::VARCHAR]} AS nest,"
    " TIME '00:00:01' AS moment, md5(i::VARCHAR)::UUID AS key, DATE '2026-01-01' + i::INT AS day,"
    " MAP {'k': i} AS map, i::VARCHAR::BLOB AS bytes, make_timestamptz(i * 1000000) AS at"
)


@pytest.fixture(scope="module")
def engine(stack: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give DuckDB on the lake."""
    engine = open_engine(stack)
    yield engine
    engine.close()


@pytest.fixture
def table(engine: duckdb.DuckDBPyConnection) -> Iterator[TableName]:
    """Give a new table of 1000 rows in 7 partitions."""
    name = TableName(schema=f"t{uuid.uuid4().hex[:8]}", name="t")
    engine.execute(f"CREATE SCHEMA lake.{name.schema}")
    engine.execute(f"CREATE TABLE {name.quoted} PARTITIONED BY (g) AS SELECT {ROWS} FROM range(1000) r(i)")
    yield name
    engine.execute(f"DROP TABLE {name.quoted}")


@pytest.fixture(scope="module")
def catalog(stack: Settings) -> LakeCatalog:
    """Give the catalog."""
    return open_catalog(stack)


def rows(engine: duckdb.DuckDBPyConnection, table: TableName) -> list[tuple[object, ...]]:
    return engine.execute(f"SELECT * FROM {table.quoted} ORDER BY id").fetchall()


def state_of(catalog: LakeCatalog, table: TableName) -> TableState:
    state = load_table(catalog, table)
    assert state is not None
    return state


def tidied(catalog: LakeCatalog, table: TableName, **options: object) -> Landed | Conflict | None:
    deadline = Deadline.after(60, SystemClock())
    return tidy(catalog, state_of(catalog, table), deadline=deadline, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(2))
def test_rows_stay_the_same_whatever_was_deleted_and_inserted(
    engine: duckdb.DuckDBPyConnection, catalog: LakeCatalog, table: TableName, seed: int
) -> None:
    """Random rounds of deletes, inserts and new columns; after each, fewer files and the same rows."""
    chance = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201  pytest shows it when the test fails
    for round_ in range(4):
        low = chance.randrange(1000)
        engine.execute(
            f"DELETE FROM {table.quoted} WHERE id BETWEEN {low} AND {low + chance.choice([5, 300])}"
        )
        if chance.random() < 0.5:
            engine.execute(f"ALTER TABLE {table.quoted} ADD COLUMN c{round_} VARCHAR")
        more = ", ".join(["NULL"] * (len(engine.execute(f"DESCRIBE {table.quoted}").fetchall()) - 10))
        columns = ROWS + (f", {more}" if more else "")
        engine.execute(f"INSERT INTO {table.quoted} SELECT {columns} FROM range({low}, {low + 50}) r(i)")
        before = rows(engine, table)
        done = tidied(catalog, table, policy=EAGER)
        assert rows(engine, table) == before
        assert isinstance(done, Landed | None)
    assert state_of(catalog, table).handle.current_snapshot().summary.operation.value == "replace"  # type: ignore[union-attr]
    live = read_live_files(state_of(catalog, table))
    assert sum(f.rows - f.deleted for f in live.files) == len(before)
    assert len(state_of(catalog, table).handle.scan().to_arrow()) == len(before), "pyiceberg reads the same"


def test_files_that_are_dead_leave_the_table_and_their_names_stay_in_the_manifests(
    engine: duckdb.DuckDBPyConnection, catalog: LakeCatalog, table: TableName
) -> None:
    """One live file per partition and no delete file; the totals of the summary are right again."""
    engine.execute(f"BEGIN; DELETE FROM {table.quoted}")
    engine.execute(f"INSERT INTO {table.quoted} SELECT {ROWS} FROM range(500) r(i); COMMIT")
    dead = {f.path for f in read_live_files(state_of(catalog, table)).files if f.dead}
    assert len(dead) == 7
    assert isinstance(tidied(catalog, table), Landed)
    state = state_of(catalog, table)
    live = read_live_files(state)
    assert (len(live.files), [f.deletes for f in live.files if f.deletes]) == (7, [])
    assert (state.rows, state.files) == (500, 7)
    table_ = state.handle
    gone = {
        entry.data_file.file_path
        for manifest in table_.current_snapshot().manifests(table_.io)  # type: ignore[union-attr]
        for entry in manifest.fetch_manifest_entry(table_.io, discard_deleted=False)
        if entry.status.name == "DELETED"
    }
    assert dead <= gone, "whoever expires snapshots has to find them"
    assert tidied(catalog, table) is None, "there is nothing left to do"


def test_a_writer_that_was_first_makes_the_rewrite_a_conflict(
    engine: duckdb.DuckDBPyConnection, catalog: LakeCatalog, table: TableName
) -> None:
    """Nothing of it lands: the other's rows and deletes stay."""
    engine.execute(f"DELETE FROM {table.quoted} WHERE g < 3")
    seen = state_of(catalog, table)
    engine.execute(f"DELETE FROM {table.quoted} WHERE g < 5")
    before = rows(engine, table)
    done = tidy(catalog, seen, deadline=Deadline.after(60, SystemClock()))
    assert isinstance(done, Conflict)
    assert rows(engine, table) == before


def test_old_snapshots_leave_the_metadata_in_the_same_commit(
    engine: duckdb.DuckDBPyConnection, catalog: LakeCatalog, table: TableName
) -> None:
    """`retain` bounds what every reader of the table has to parse."""
    for _ in range(4):
        engine.execute(f"BEGIN; DELETE FROM {table.quoted}")
        engine.execute(f"INSERT INTO {table.quoted} SELECT {ROWS} FROM range(10) r(i); COMMIT")
        tidied(catalog, table, retain=5)
    assert len(state_of(catalog, table).handle.metadata.snapshots) == 5

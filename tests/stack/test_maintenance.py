"""Care for tables changes no row and deletes nothing that anybody can still read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lake.catalog import (
    LakeCatalog,
    PartitionField,
    TableSpec,
    TableState,
    commit,
    ensure_table,
    load_table,
    open_catalog,
    pack,
    write_files,
)
from lake.catalog.inventory import delete_files, folders, reachable_files, stored_files
from lake.catalog.live_files import read_live_files
from lake.catalog.retention import Retention, landing_retention
from lake.clock import Deadline, SystemClock
from lake.control.condemned import read_condemned
from lake.errors import RefusedError, TerminalError
from lake.maintenance.care import CarePolicy, care_for
from lake.maintenance.compact import Compacted, CompactPolicy, compact
from lake.maintenance.sweep import SweepPolicy, Swept, check_alone, sweep
from lake.mesh.session import Session, open_session
from lake.settings import Settings
from lake.types import Field, ListOf, Primitive, Struct, TableName
from tests.fakes.commands import lake

pytestmark = pytest.mark.stack

EAGER = CompactPolicy(quiet=timedelta(0), open_files=2)
NOW_ALREADY = SweepPolicy(age=timedelta(0), grace=timedelta(0))
FIELDS = (
    Field(name="n", type=Primitive.LONG, required=True),
    Field(name="part", type=Primitive.STRING),
    Field(name="nested", type=Struct(fields=(Field(name="x", type=Primitive.DOUBLE),))),
    Field(name="many", type=ListOf(element=Primitive.STRING)),
    Field(name="at", type=Primitive.TIMESTAMPTZ),
)


class Later(SystemClock):
    """The machine's clock, some hours ahead."""

    def __init__(self, hours: float) -> None:
        self.ahead = timedelta(hours=hours)

    def now(self) -> datetime:
        return super().now() + self.ahead


def deadline() -> Deadline:
    return Deadline.after(60, SystemClock())


class Table:
    """A table of landing with some commits of a few rows."""

    def __init__(self, settings: Settings, commits: int = 6) -> None:
        self.settings = settings
        self.catalog = open_catalog(settings)
        self.name = TableName(schema=settings.landing.raw_schema, name="t")
        cut = (PartitionField(column="part", transform="identity"),)
        ensure_table(self.catalog, TableSpec(name=self.name, fields=FIELDS, partition=cut))
        self.rows = 0
        for _ in range(commits):
            self.append()

    @property
    def state(self) -> TableState:
        found = load_table(self.catalog, self.name)
        assert found is not None
        return found

    def append(self, count: int = 10, **options: Any) -> None:
        numbers = list(range(self.rows, self.rows + count))
        rows = pa.Table.from_pylist(
            [
                {
                    "n": n,
                    "part": f"p {n % 2}:{chr(228)}",
                    "nested": {"x": n / 3},
                    "many": [str(n)] * (n % 3),
                    "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n),
                }
                for n in numbers
            ]
        )
        state = self.state
        files = write_files(state, rows.cast(state.handle.schema().as_arrow()))
        commit(self.catalog, state, files=files, properties={}, deadline=deadline(), **options)
        self.rows += count

    def compact(self, policy: CompactPolicy = EAGER, catalog: LakeCatalog | None = None) -> Compacted:
        return compact(catalog or self.catalog, self.name, deadline=deadline(), policy=policy)

    def sweep(self, hours: float = 0, policy: SweepPolicy | None = None) -> Swept:
        known = folders(self.catalog)
        return sweep(self.catalog, self.name, folders=known, clock=Later(hours), policy=policy)

    def content(self) -> list[dict[str, Any]]:
        return sorted(self.state.handle.scan().to_arrow().to_pylist(), key=lambda r: r["n"])

    def listed(self) -> set[str]:
        return {file.path for file in stored_files(self.state)}


@pytest.fixture
def table(lake_settings: Settings) -> Table:
    return Table(lake_settings)


@pytest.fixture(scope="module")
def session(stack: Settings) -> Iterator[Session]:
    """Open the engine once; it may write here."""
    with open_session(stack) as opened:
        yield opened


def test_compaction_leaves_one_file_per_partition_and_every_row(table: Table, session: Session) -> None:
    """For pyiceberg and for DuckDB; the snapshot says that it replaced files and changed no row."""
    before = table.content()
    done = table.compact()
    assert (done.before, done.after, done.given_up) == (12, 2, 0)
    assert table.content() == before
    state = table.state
    assert (state.files, state.rows) == (2, 60)
    head = state.handle.current_snapshot()
    assert head is not None
    assert head.summary is not None
    assert head.summary.operation.value == "replace"
    rows = session.query(f"SELECT count(*) AS n, sum(n) AS total FROM {table.name}").to_pylist()
    assert rows == [{"n": 60, "total": sum(range(60))}]
    assert table.compact() == Compacted()


def test_young_files_and_open_partitions_wait(table: Table) -> None:
    """What was written within the quiet time is left to later; nothing is committed."""
    main = table.state.main
    assert table.compact(CompactPolicy()) == Compacted()
    assert table.state.main == main


def test_rows_that_come_back_different_are_not_put_into_the_table(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage or an encoder that changes a value: found by the hash, not by the count."""
    honest = pack.write_file

    def lying(state: TableState, record: Any, parts: Any) -> Any:
        changed = [
            part.set_column(0, part.schema.field(0), pa.array([-1, *part["n"].to_pylist()[1:]], pa.int64()))
            for part in parts
        ]
        return honest(state, record, changed)

    monkeypatch.setattr(pack, "write_file", lying)
    main = table.state.main
    with pytest.raises(TerminalError, match="differ"):
        table.compact()
    assert table.state.main == main


class MeddlingCatalog(LakeCatalog):
    """Lets something happen right before the first commit is sent."""

    def __init__(self, settings: Settings, meddle: Any) -> None:
        super().__init__(settings)
        self.meddle = meddle

    def commit_table(self, *arguments: Any, **named: Any) -> Any:
        meddle, self.meddle = self.meddle, lambda: None
        meddle()
        return super().commit_table(*arguments, **named)


def test_a_writer_that_commits_in_between_is_no_reason_to_write_the_files_again(table: Table) -> None:
    """The same new files go on top of the writer's main; its rows are there."""
    done = table.compact(catalog=MeddlingCatalog(table.settings, table.append))
    assert (done.before, done.after, done.given_up) == (12, 2, 0)
    assert [row["n"] for row in table.content()] == list(range(70))


def test_files_that_somebody_else_compacted_meanwhile_are_given_up(table: Table) -> None:
    """Two at once: one wins, the other's files stay outside; no row is doubled."""
    done = table.compact(catalog=MeddlingCatalog(table.settings, table.compact))
    assert (done.before, done.given_up) == (0, 2)
    assert [row["n"] for row in table.content()] == list(range(60))


def test_rows_that_were_deleted_meanwhile_do_not_come_back(table: Table) -> None:
    """A delete that landed after the files were read counts; the rewrite of those files is given up."""

    def delete() -> None:
        table.state.handle.delete("part = 'p 0:ä'")

    done = table.compact(catalog=MeddlingCatalog(table.settings, delete))
    assert done.given_up == 1
    assert [row["n"] for row in table.content()] == list(range(1, 60, 2))


def test_a_swept_file_was_unreached_for_a_day_and_a_day_old(table: Table) -> None:
    """The first sweep only writes down; within the day nothing goes; afterwards exactly the dead files."""
    table.compact()
    table.append(retain=2)
    reached = reachable_files(table.state)
    dead = table.listed() - reached
    assert len(dead) > 12
    assert table.sweep().deleted == 0
    assert read_condemned(table.settings.postgres, table.state.uuid) == {}, "too young even to write down"
    assert table.sweep(hours=25).waiting == len(dead)
    assert table.sweep(hours=48).deleted == 0
    before = table.content()
    assert table.sweep(hours=50).deleted == len(dead)
    assert table.listed() >= {path for path in reached if not path.endswith(".json")}
    assert table.listed() & dead == set()
    assert table.content() == before
    assert table.sweep(hours=51).waiting == 0


def test_the_files_of_an_older_snapshot_a_tag_and_a_branch_are_never_swept(table: Table) -> None:
    """As long as the metadata name a snapshot, all that it shows can be read."""
    old = table.state
    assert old.main is not None
    old.handle.manage_snapshots().create_tag(old.main, "audit").commit()
    table.compact()
    for _ in range(3):
        table.append(retain=Retention(newest=2))
    for _ in range(2):
        table.sweep(policy=NOW_ALREADY)
    state = table.state
    assert len(state.handle.metadata.snapshots) == 3
    tagged = state.handle.scan(snapshot_id=old.main).to_arrow()
    assert sorted(tagged["n"].to_pylist()) == list(range(60))


def test_a_commit_that_is_under_way_during_a_sweep_keeps_its_files(table: Table) -> None:
    """Its files are in storage and in no snapshot; they are young."""
    state = table.state
    rows = pa.Table.from_pylist([{"n": 99, "part": "q"}], schema=state.handle.schema().as_arrow())
    staged = write_files(state, rows)
    for hours in (0, 23):
        table.sweep(hours=hours)
    commit(table.catalog, state, files=staged, properties={}, deadline=deadline())
    table.sweep(hours=60)
    table.sweep(hours=90)
    assert table.content()[-1]["n"] == 99


def test_a_folder_that_two_tables_share_is_left_alone() -> None:
    """A table that was renamed keeps its folder, and a new one of the old name gets the same."""
    name = TableName(schema="raw", name="a")
    check_alone(name, "s3://w/raw/a", {"raw.a": "s3://w/raw/a", "raw.ab": "s3://w/raw/ab"})
    for place in ("s3://w/raw/a", "s3://w/raw/a/b", "s3://w/raw"):
        with pytest.raises(RefusedError, match="shares its folder"):
            check_alone(name, "s3://w/raw/a", {"raw.b": place})


def test_a_listing_that_does_not_show_live_files_stops_the_sweep(table: Table) -> None:
    """Then a live file could look unreached, or the table is damaged already."""
    victim = read_live_files(table.state).files[0].path
    delete_files(table.state, [victim])
    with pytest.raises(RefusedError, match="not in the listing"):
        table.sweep(policy=NOW_ALREADY)


def test_snapshots_of_a_table_that_nobody_writes_expire_too(table: Table) -> None:
    """By care alone; main and the newest landing stay."""
    landing = table.settings.landing.model_copy(update={"retained_snapshots": 2, "retained_hours": 0})
    table.catalog.lake_settings = table.settings.model_copy(update={"landing": landing})
    main = table.state.main
    quiet = CarePolicy(compact=replace(EAGER, quiet=timedelta(days=1)))
    done = care_for(table.catalog, table.name, clock=SystemClock(), policy=quiet, sweeps=False)
    assert (done.expired, done.swept) == (4, None)
    assert table.state.main == main
    assert len(table.state.handle.metadata.snapshots) == 2


def test_the_newest_snapshot_of_landing_outlives_any_number_of_others(table: Table) -> None:
    """Positions are checked against it; compactions must not push it out."""
    landed = table.state.main
    for number in range(4):
        change = {"n": str(number)}
        table.state.handle.transaction().set_properties(change).commit_transaction()
        table.state.handle.append(table.state.handle.scan(limit=1).to_arrow())
    assert landing_retention(table.settings.landing).newest == 20
    table.compact()
    compact(table.catalog, table.name, deadline=deadline(), policy=EAGER, retain=Retention(newest=2))
    kept = {s.snapshot_id for s in table.state.handle.metadata.snapshots}
    assert landed in kept


def test_the_command_cares_for_all_tables_of_landing(table: Table, lake_environment: dict[str, str]) -> None:
    """One line per table, also where there is nothing to do."""
    done = lake(table.settings, lake_environment, "maintain", "--json", "--reason", "weekly")
    assert done.returncode == 0, done.stderr
    (care,) = json.loads(done.stdout)
    assert care["table"] == str(table.name)
    assert care["swept"]["deleted"] == 0

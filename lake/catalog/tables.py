"""Tables of the catalog: their state as a value, and creating them from a specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from pyiceberg.exceptions import (
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import PartitionField as IcebergPartitionField
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import parse_transform

from lake.catalog.errors import mapped
from lake.catalog.open import LakeCatalog
from lake.catalog.schemas import differences, iceberg_schema
from lake.errors import ConfigurationError
from lake.log import get_logger
from lake.postgres import exclusive
from lake.types import Field, SnapshotId, TableName

log = get_logger("catalog")

_PROPERTIES = {
    "format-version": "2",
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "100",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionField:
    """One cut of a table: an Iceberg transform (`month`, `bucket[16]`, `identity`…) of a column."""

    column: str
    transform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """What a table should be."""

    name: TableName
    fields: tuple[Field, ...]
    partition: tuple[PartitionField, ...] = ()
    description: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One retained snapshot on the way from main to the oldest known one."""

    id: SnapshotId
    sequence: int
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A table as one answer of the catalog showed it.

    `ancestry` is newest first and starts with main; `truncated` says that older snapshots were expired.
    """

    name: TableName
    uuid: str
    properties: Mapping[str, str]
    ancestry: tuple[Ancestor, ...]
    truncated: bool
    summary: Mapping[str, str]
    handle: Table = field(repr=False, compare=False)

    @property
    def main(self) -> SnapshotId | None:
        return self.ancestry[0].id if self.ancestry else None

    @property
    def committed_at(self) -> datetime | None:
        return self.ancestry[0].committed_at if self.ancestry else None

    @property
    def rows(self) -> int:
        """Live rows by main's summary; the catalog's figure, no file is read."""
        gone = ("total-position-deletes", "total-equality-deletes")
        return int(self.summary.get("total-records", 0)) - sum(int(self.summary.get(k, 0)) for k in gone)

    @property
    def files(self) -> int:
        return int(self.summary.get("total-data-files", 0))

    def descends_from(self, snapshot: SnapshotId, sequence: int) -> bool:
        """Tell whether main builds on a snapshot of that sequence number.

        Expired snapshots are no proof of a rollback: the retained chain may begin after it.
        """
        if any(ancestor.id == snapshot for ancestor in self.ancestry):
            return True
        return self.truncated and self.ancestry[-1].sequence > sequence


class TablePlan(Enum):
    """What has to be done so that a table is as specified."""

    CREATE = "create"
    KEEP = "keep"


def plan_table(existing: Schema | None, spec: TableSpec) -> TablePlan:
    """Decide; raises ConfigurationError when the table can't hold the specification's rows."""
    if existing is None:
        return TablePlan.CREATE
    if lines := list(differences(existing, spec.fields)):
        raise ConfigurationError(
            f"{spec.name} does not fit its contract: {'; '.join(lines)}",
            hint="lake contract check; then lake contract deploy",
        )
    return TablePlan.KEEP


def load_table(catalog: LakeCatalog, name: TableName) -> TableState | None:
    """Return the table's present state, None when there is none."""
    with mapped(f"load {name}"):
        try:
            return state_of(name, catalog.load_table((name.schema, name.name)))
        except (NoSuchTableError, NoSuchNamespaceError):
            return None


def ensure_table(catalog: LakeCatalog, spec: TableSpec) -> TableState:
    """Return the table, creating namespace and table when they are missing; safe to race and to repeat.

    Creation is locked in PostgreSQL: not every catalog creates atomically, and where it does not, the
    second of two creations at once replaces the table of the first, with what it may hold by then.
    """
    if (state := _present(catalog, spec)) is not None:
        return state
    with exclusive(catalog.lake_settings.postgres, f"lake.create.{spec.name.schema}"):
        if (state := _present(catalog, spec)) is not None:
            return state
        create_namespace(catalog, spec.name.schema)
        return _create(catalog, spec)


def _present(catalog: LakeCatalog, spec: TableSpec) -> TableState | None:
    """Return the table if it is there; raises ConfigurationError when it isn't as specified."""
    state = load_table(catalog, spec.name)
    plan = plan_table(state.handle.schema() if state else None, spec)
    return state if plan is TablePlan.KEEP else None


def _create(catalog: LakeCatalog, spec: TableSpec) -> TableState:
    schema = iceberg_schema(spec.fields)
    with mapped(f"create {spec.name}"):
        try:
            table = catalog.create_table(
                (spec.name.schema, spec.name.name),
                schema=schema,
                partition_spec=_partition_spec(schema, spec.partition),
                properties={**_PROPERTIES, **_comment(spec), **spec.properties},
            )
        except TableAlreadyExistsError:
            table = catalog.load_table((spec.name.schema, spec.name.name))
    log.info("table.created", table=str(spec.name))
    state = state_of(spec.name, table)
    plan_table(table.schema(), spec)
    return state


def create_namespace(catalog: LakeCatalog, schema: str) -> None:
    """Create a namespace unless it exists."""
    with mapped(f"create namespace {schema}"):
        try:
            catalog.create_namespace((schema,))
        except NamespaceAlreadyExistsError:
            return


def drop_table(catalog: LakeCatalog, name: TableName) -> bool:
    """Drop a table (on common catalogs with its data); False when there was none."""
    with mapped(f"drop {name}"):
        try:
            catalog.drop_table((name.schema, name.name))
        except (NoSuchTableError, NoSuchNamespaceError):
            return False
        return True


def list_tables(catalog: LakeCatalog, schema: str) -> tuple[TableName, ...]:
    """Return the tables of a namespace by name, empty when it does not exist."""
    with mapped(f"list {schema}"):
        try:
            found = catalog.list_tables((schema,))
        except NoSuchNamespaceError:
            return ()
    return tuple(sorted(TableName(schema=schema, name=identifier[-1]) for identifier in found))


def state_of(name: TableName, table: Table) -> TableState:
    """Read a table's state out of metadata that is already here."""
    head = table.current_snapshot()
    ancestry, truncated = _ancestry(table, head)
    summary = head.summary if head is not None else None
    return TableState(
        name=name,
        uuid=str(table.metadata.table_uuid),
        properties=dict(table.properties),
        ancestry=ancestry,
        truncated=truncated,
        summary=dict(summary.additional_properties) if summary is not None else {},
        handle=table,
    )


def _ancestry(table: Table, head: Snapshot | None) -> tuple[tuple[Ancestor, ...], bool]:
    by_id = {s.snapshot_id: s for s in table.metadata.snapshots}
    chain: list[Ancestor] = []
    here = head
    while here is not None:
        chain.append(
            Ancestor(
                id=SnapshotId(here.snapshot_id),
                sequence=here.sequence_number or 0,
                committed_at=datetime.fromtimestamp(here.timestamp_ms / 1000, UTC),
            )
        )
        if here.parent_snapshot_id is None:
            return tuple(chain), False
        here = by_id.get(here.parent_snapshot_id)
    return tuple(chain), head is not None


def _partition_spec(schema: Schema, cuts: tuple[PartitionField, ...]) -> PartitionSpec:
    return PartitionSpec(
        *(
            IcebergPartitionField(
                source_id=schema.find_field(cut.column).field_id,
                field_id=1000 + number,
                transform=parse_transform(cut.transform),
                name=_cut_name(cut),
            )
            for number, cut in enumerate(cuts)
        )
    )


def _cut_name(cut: PartitionField) -> str:
    """Name a cut as Iceberg's engines do: `day_bucket`, `code_trunc`, `sold_at_month`."""
    transform = cut.transform.split("[", maxsplit=1)[0]
    if transform == "identity":
        return cut.column
    return f"{cut.column}_{'trunc' if transform == 'truncate' else transform}"


def _comment(spec: TableSpec) -> dict[str, str]:
    return {"comment": spec.description} if spec.description else {}

"""Change a table's columns, their descriptions and its properties in one commit, whatever the answer was.

A change is said as what should be, not as steps: a column has a type, or is gone. Repeating it is
therefore harmless, and any answer that is no clean acceptance is settled by looking at the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, ResolveError
from pyiceberg.schema import Schema, promote
from pyiceberg.table import Table, Transaction
from pyiceberg.table.update import AssertTableUUID
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import IcebergType

from lake.catalog.errors import UNPROVEN, mapped
from lake.catalog.open import LakeCatalog, within
from lake.catalog.schemas import same_shape
from lake.catalog.tables import load_table
from lake.clock import Deadline
from lake.errors import BadInputError, ConflictError, HistoryError, first_line
from lake.log import get_logger
from lake.types import TableName

log = get_logger("catalog")

COMMENT = "comment"  # the property in which engines look for a table's description
_ATTEMPTS = 5
_FIRST_PAUSE = 0.1

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """What should be: types by path (`("items", "element", "price")`; None: gone), docs by column.

    Columns in `anew` lose the values that they have.
    """

    columns: Mapping[Path, pa.DataType | None] = field(default_factory=dict)
    anew: frozenset[Path] = frozenset()
    docs: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


def evolve(catalog: LakeCatalog, name: TableName, change: Evolution, *, deadline: Deadline) -> None:
    """Make the table as `change` says; nothing is sent when it is so already.

    Raises BadInputError for a change that Iceberg doesn't allow, ConflictError when others keep
    changing the table, UnavailableError when the catalog doesn't answer.
    """
    for attempt in range(_ATTEMPTS):
        with within(deadline):
            state = load_table(catalog, name)
        if state is None:
            raise HistoryError(f"{name} was dropped while its columns were to be changed")
        staged = _stage(state.handle, change)
        # The private attributes: see lake.catalog.commits.
        if not staged._updates:  # noqa: SLF001
            return
        if (reason := _send(catalog, state.handle, staged, deadline)) is None:
            return
        log.info("evolution.unproven", table=str(name), reason=reason)
        deadline.clock.sleep(min(_FIRST_PAUSE * 2**attempt, deadline.remaining()))
    raise ConflictError(f"{name}: others keep changing its columns", hint="run the same command again")


def _stage(table: Table, change: Evolution) -> Transaction:
    transaction = Transaction(table)
    try:
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for path, kind in change.columns.items():
                present = _type_at(table.schema(), path)
                wanted = _iceberg_type(kind) if kind is not None else None
                _column(update, path, present, wanted, anew=path in change.anew)
            for column, doc in change.docs.items():
                _describe(update, table.schema(), column, doc)
    except ValueError as error:
        raise BadInputError(
            f"{'.'.join(table.name())}: {first_line(error)}",
            hint="a column that partitions its table can't go: plan the model without forward_only",
        ) from error
    changed = {k: v for k, v in change.properties.items() if table.properties.get(k) != v}
    if changed:
        transaction.set_properties(changed)
    return transaction


def _send(catalog: LakeCatalog, table: Table, staged: Transaction, deadline: Deadline) -> str | None:
    """Send the change once; None when it was accepted, else why that is not proven."""
    requirements = (*staged._requirements, AssertTableUUID(uuid=table.metadata.table_uuid))  # noqa: SLF001
    with within(deadline), mapped(f"change the columns of {'.'.join(table.name())}"):
        try:
            catalog.commit_table(table, requirements, staged._updates)  # noqa: SLF001
        except (CommitFailedException, *UNPROVEN) as error:
            return first_line(error)
    return None


def _column(
    update: UpdateSchema, path: Path, present: IcebergType | None, wanted: IcebergType | None, *, anew: bool
) -> None:
    if present is not None and wanted is not None and not anew:
        if same_shape(present, wanted):
            return
        if _promotes(present, wanted):
            update.update_column(path, field_type=wanted)
            return
    if present is not None:
        update.delete_column(path)
    if wanted is not None:
        update.add_column(path, wanted)


def _describe(update: UpdateSchema, schema: Schema, column: str, doc: str) -> None:
    found = next((f for f in schema.fields if f.name.lower() == column.lower()), None)
    if found is not None and (found.doc or "") != doc:
        update.update_column((found.name,), doc=doc)


def _type_at(schema: Schema, path: Path) -> IcebergType | None:
    try:
        return schema.find_field(".".join(path)).field_type
    except ValueError:
        return None


def _iceberg_type(kind: pa.DataType) -> IcebergType:
    wanted = pa.schema([pa.field("c", kind)])
    return LakeCatalog._convert_schema_if_needed(wanted).fields[0].field_type  # noqa: SLF001  the public way creates a table


def _promotes(present: IcebergType, wanted: IcebergType) -> bool:
    try:
        return bool(promote(present, wanted) == wanted)
    except ResolveError:
        return False

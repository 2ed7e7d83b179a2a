"""Let a live table follow a contract: new columns, wider types, fewer `required`; nothing else.

Columns are found by name and keep their ids; new ones get ids that the table never had. What the table
has beyond the wanted columns stays. Existing files stay as they are: Iceberg reads a missing column as
null and promotes types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count

from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.types import DecimalType, IcebergType, IntegerType, ListType, LongType, MapType, StructType

from lake.catalog.schemas import iceberg_fields, same_shape
from lake.errors import ConfigurationError
from lake.types import Field, TableName

Path = tuple[str, ...]


class StepKind(Enum):
    """One thing that a table can do while it is read and written."""

    ADD = "add"
    WIDEN = "widen"
    RELAX = "relax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step at a path (`("items", "element", "price")`); `type` is the new one of ADD and WIDEN."""

    kind: StepKind
    path: Path
    type: IcebergType | None = None
    doc: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind.value, ".".join(self.path), str(self.type or ""))))


def plan_growth(name: TableName, existing: Schema, wanted: tuple[Field, ...]) -> tuple[Step, ...]:
    """Return the steps after which the table holds rows of `wanted`; empty when it does already.

    Raises ConfigurationError that lists what no step can do.
    """
    problems: list[str] = []
    steps = tuple(_struct(existing.as_struct(), StructType(*iceberg_fields(wanted, count(1))), (), problems))
    if problems:
        raise ConfigurationError(
            f"{name} can't become what its contract says: {'; '.join(problems)}",
            hint="give the contract a new major version: it lands in a table of its own",
        )
    return steps


def stage_growth(transaction: Transaction, steps: tuple[Step, ...], *, before: str) -> None:
    """Add the steps to a transaction; new columns stand before the column `before`."""
    with transaction.update_schema() as update:
        for step in steps:
            match step.kind:
                case StepKind.ADD:
                    assert step.type is not None
                    update.add_column(step.path, step.type, doc=step.doc)
                    if len(step.path) == 1:
                        update.move_before(step.path[0], before)
                case StepKind.WIDEN:
                    update.update_column(step.path, field_type=step.type)
                case StepKind.RELAX:
                    update.update_column(step.path, required=False)


def _struct(existing: StructType, wanted: StructType, at: Path, problems: list[str]) -> Iterator[Step]:
    present = {f.name: f for f in existing.fields}
    for field in wanted.fields:
        path = (*at, field.name)
        own = present.get(field.name)
        if own is None:
            yield Step(kind=StepKind.ADD, path=path, type=field.field_type, doc=field.doc)
            continue
        if own.required and not field.required:
            yield Step(kind=StepKind.RELAX, path=path)
        yield from _type(own.field_type, field.field_type, path, problems)


def _type(existing: IcebergType, wanted: IcebergType, at: Path, problems: list[str]) -> Iterator[Step]:
    match existing, wanted:
        case StructType(), StructType():
            yield from _struct(existing, wanted, at, problems)
        case ListType(), ListType():
            yield from _type(existing.element_type, wanted.element_type, (*at, "element"), problems)
        case MapType(), MapType() if same_shape(existing.key_type, wanted.key_type):
            yield from _type(existing.value_type, wanted.value_type, (*at, "value"), problems)
        case _ if same_shape(existing, wanted):
            return
        case _ if _is_wider(existing, wanted):
            yield Step(kind=StepKind.WIDEN, path=at, type=wanted)
        case _:
            problems.append(f"{'.'.join(at)} is {existing}, not {wanted}")


def _is_wider(existing: IcebergType, wanted: IcebergType) -> bool:
    if isinstance(existing, DecimalType) and isinstance(wanted, DecimalType):
        return wanted.scale == existing.scale and wanted.precision > existing.precision
    return isinstance(existing, IntegerType) and isinstance(wanted, LongType)

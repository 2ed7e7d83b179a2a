"""Values that several rooms share: ids, table names and the neutral shape of a column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NewType

Offset = NewType("Offset", int)
Partition = NewType("Partition", int)
SnapshotId = NewType("SnapshotId", int)

CATALOG = "lake"  # the one catalog, by this name on every engine

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableName:
    """`<schema>.<name>` inside the lake's one catalog.

    Only `a-z 0-9 _`, not starting with `_`: the strictest of the catalogs that we run on.
    """

    schema: str
    name: str

    def __post_init__(self) -> None:
        for part in (self.schema, self.name):
            if not _NAME.match(part):
                msg = f"{part!r} is no table or schema name: use a-z, 0-9 and _, not starting with _"
                raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `schema.name` or `lake.schema.name`."""
        parts = text.split(".")
        if len(parts) == 3 and parts[0] == CATALOG:
            parts = parts[1:]
        if len(parts) != 2:
            msg = f"{text!r} is no table: write schema.name"
            raise ValueError(msg)
        return cls(schema=parts[0], name=parts[1])

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The whole name as SQL has it: `lake."schema"."name"`."""
        return f"{CATALOG}.{quote_identifier(self.schema)}.{quote_identifier(self.name)}"


def quote_identifier(name: str) -> str:
    """Quote one SQL identifier; the only place where that is done."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    """Quote a text for a statement that takes no bound values; the only place where that is done."""
    return "'" + value.replace("'", "''") + "'"


class Primitive(Enum):
    """Column types without parameters; the values are Iceberg's names."""

    BOOLEAN = "boolean"
    INT = "int"  # 32 bit
    LONG = "long"  # 64 bit
    DOUBLE = "double"
    STRING = "string"
    BINARY = "binary"
    DATE = "date"
    TIMESTAMP = "timestamp"  # microseconds, no zone
    TIMESTAMPTZ = "timestamptz"  # microseconds, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Decimal:
    """Exact number with `scale` digits after the point out of `precision`."""

    precision: int
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    element: FieldType


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    key: FieldType
    value: FieldType


FieldType = Primitive | Decimal | Struct | ListOf | MapOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column, or a member of a struct, as contracts describe it and the catalog builds it."""

    name: str
    type: FieldType
    required: bool = False
    description: str = ""
    number: int = 0  # in Protobuf; 0: its place among its siblings, from 1

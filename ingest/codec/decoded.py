"""What decoding a block of records gives, and putting the pieces of a block back together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec.values import Failure
from lake.catalog import arrow_schema
from lake.types import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A record that could not be read; `values` holds the members that could."""

    index: int
    values: dict[str, Any]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """`rows` are the readable records in order; `indexes` are their places in the block.

    `indexes` is None when all records were readable.
    """

    rows: pa.Table
    indexes: pa.Array | None
    bad: tuple[BadRow, ...] = ()


class Codec(Protocol):
    """Bytes of records to the columns of a contract; thread-safe."""

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others.

        The first `skip` bytes of every record, which are there, say nothing to this codec.
        """

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Return the schema ids that have to be looked up before these records can be read."""


def row_schema(fields: tuple[Field, ...]) -> pa.Schema:
    """Return the columns of decoded rows. Nullability is a rule of the contract, checked later."""
    return pa.schema([f.with_nullable(True) for f in arrow_schema(fields)])


class Found:
    """What the pieces of one block gave so far."""

    __slots__ = ("_places", "_tables", "bad", "schema")

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._tables: list[pa.Table] = []
        self._places: list[Sequence[int]] = []
        self.bad: list[BadRow] = []

    def add(self, rows: pa.Table, places: Sequence[int]) -> None:
        """Take rows with their places in the block, ascending."""
        self._tables.append(rows)
        self._places.append(places)

    def refuse(self, place: int, failures: tuple[Failure, ...], values: dict[str, Any] | None = None) -> None:
        self.bad.append(BadRow(index=place, values=values or {}, failures=failures))

    def merge(self, part: Decoded, places: Sequence[int]) -> None:
        """Take what a codec gave for the records at these places of the block."""
        self.bad.extend(replace(row, index=places[row.index]) for row in part.bad)
        if part.rows.num_rows:
            own = part.indexes.to_pylist() if part.indexes is not None else None
            self.add(part.rows, places if own is None else [places[n] for n in own])

    def result(self) -> Decoded:
        """Put the rows back into the order of the log."""
        rows = pa.concat_tables([self.schema.empty_table(), *self._tables])
        bad = tuple(sorted(self.bad, key=lambda row: row.index))
        if not bad and len(self._tables) <= 1:
            return Decoded(rows=rows, indexes=None)
        places = pa.array(list(chain.from_iterable(self._places)), pa.int64())
        if len(self._tables) == 1:
            return Decoded(rows=rows, indexes=places, bad=bad)
        order = pc.array_sort_indices(places)
        return Decoded(rows=rows.take(order), indexes=places.take(order) if bad else None, bad=bad)

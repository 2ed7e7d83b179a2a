"""Decode a block of records: fast as a whole, slow only around the records that need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec.columns import FastDecoder, are_all_plain, is_plain
from ingest.codec.rows import decode_row
from ingest.codec.values import Failure
from lake.catalog import arrow_schema
from lake.types import Field

_PIECES = 16  # a block that failed is tried again in so many pieces
_SMALL = 16  # a piece of this size is read row by row


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


class JsonCodec:
    """Read JSON records into the columns of `fields`; thread-safe."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        # Nullability is a rule of the contract, checked later: a missing value is readable.
        self._schema = pa.schema([f.with_nullable(True) for f in arrow_schema(fields)])
        self._fast = FastDecoder(fields)

    def decode(self, payloads: Sequence[bytes | None]) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        found = _Found()
        if not self._fast.usable:
            self._rows(payloads, range(len(payloads)), found)
            return found.result(self._schema)
        blob = b"\n".join([payload or b"" for payload in payloads])
        if are_all_plain(blob, len(payloads)):
            self._piece(payloads, range(len(payloads)), found, blob=blob)
            return found.result(self._schema)
        plain = [n for n, payload in enumerate(payloads) if is_plain(payload)]
        self._piece([payloads[n] for n in plain], plain, found)
        chosen = set(plain)
        others = [n for n in range(len(payloads)) if n not in chosen]
        self._rows([payloads[n] for n in others], others, found)
        return found.result(self._schema)

    def _piece(
        self, payloads: Sequence[Any], numbers: Sequence[int], found: _Found, *, blob: bytes | None = None
    ) -> None:
        """Read plain payloads: as one block, else in pieces, else row by row."""
        if not payloads:
            return
        table = self._fast.decode(blob or b"\n".join(payloads), len(payloads))
        if table is not None:
            found.add(table.cast(self._schema), numbers)
        elif len(payloads) <= _SMALL:
            self._rows(payloads, numbers, found)
        else:
            size = max(_SMALL, -(-len(payloads) // _PIECES))
            for start in range(0, len(payloads), size):
                self._piece(payloads[start : start + size], numbers[start : start + size], found)

    def _rows(self, payloads: Sequence[bytes | None], numbers: Sequence[int], found: _Found) -> None:
        good: list[dict[str, Any]] = []
        places: list[int] = []
        for payload, number in zip(payloads, numbers, strict=True):
            row = decode_row(payload, self._fields)
            if row.failures:
                found.bad.append(BadRow(index=number, values=row.values, failures=row.failures))
            else:
                good.append(row.values)
                places.append(number)
        if good:
            found.add(pa.Table.from_pylist(good, schema=self._schema), places)


class _Found:
    """What the pieces of one block gave so far."""

    __slots__ = ("_places", "_tables", "bad")

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._places: list[Sequence[int]] = []
        self.bad: list[BadRow] = []

    def add(self, rows: pa.Table, places: Sequence[int]) -> None:
        self._tables.append(rows)
        self._places.append(places)

    def result(self, schema: pa.Schema) -> Decoded:
        """Put the rows back into the order of the log."""
        rows = pa.concat_tables([schema.empty_table(), *self._tables])
        bad = tuple(sorted(self.bad, key=lambda row: row.index))
        if not bad and len(self._tables) <= 1:
            return Decoded(rows=rows, indexes=None)
        places = pa.array(list(chain.from_iterable(self._places)), pa.int64())
        order = pc.array_sort_indices(places)
        return Decoded(rows=rows.take(order), indexes=places.take(order) if bad else None, bad=bad)

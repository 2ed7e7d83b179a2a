"""Decode a block of JSON records: fast as a whole, slow only around the records that need it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ingest.codec.columns import FastDecoder, StrangerError, are_all_plain, are_joined, is_plain
from ingest.codec.decoded import Decoded, Found, row_schema
from ingest.codec.pieces import read_pieces, read_rows
from ingest.codec.rows import Row, decode_row
from lake.types import Field


class JsonCodec:
    """Read JSON records into the columns of `fields`; thread-safe."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._schema = row_schema(fields)
        self._fast = FastDecoder(fields)
        self._all_known = True  # no record yet had a member that no column has

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        if skip:
            payloads = [payload[skip:] if payload is not None else None for payload in payloads]
        found, every = Found(), range(len(payloads))
        if not self._fast.usable:
            read_rows(payloads, every, found, self._schema, self._row)
            return found.result(self._schema)
        blob = b"\n".join([payload or b"" for payload in payloads])
        table = self._whole(blob, len(payloads))
        if table is not None:
            found.add(table.cast(self._schema), every)
            return found.result(self._schema)
        if are_all_plain(blob, len(payloads)):
            self._pieces(payloads, every, found, has_failed=True)
            return found.result(self._schema)
        plain = [n for n in every if is_plain(payloads[n])]
        self._pieces([payloads[n] for n in plain], plain, found)
        chosen = set(plain)
        others = [n for n in every if n not in chosen]
        read_rows([payloads[n] for n in others], others, found, self._schema, self._row)
        return found.result(self._schema)

    def _whole(self, blob: bytes, count: int) -> pa.Table | None:
        """Decode a block as a whole; None when a record of it needs a look of its own."""
        if self._all_known and are_joined(blob, count):
            try:
                return self._fast.decode_known(blob, count)
            except StrangerError:
                self._all_known = False
        return self._fast.decode(blob, count) if are_all_plain(blob, count) else None

    def _pieces(
        self,
        payloads: Sequence[bytes | None],
        places: Sequence[int],
        found: Found,
        *,
        has_failed: bool = False,
    ) -> None:
        read_pieces(
            payloads,
            places,
            found,
            self._schema,
            fast=self._block,
            slow=self._row,
            has_failed=has_failed,
        )

    def _block(self, payloads: Sequence[bytes]) -> pa.Table | None:
        table = self._fast.decode(b"\n".join(payloads), len(payloads))
        return None if table is None else table.cast(self._schema)

    def _row(self, payload: bytes | None) -> Row:
        return decode_row(payload, self._fields)

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Need nothing: JSON tells its own structure."""
        del payloads
        return set()

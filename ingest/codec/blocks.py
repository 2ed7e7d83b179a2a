"""Decode a block of JSON records: fast as a whole, slow only around the records that need it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ingest.codec.columns import FastDecoder, are_all_plain, is_plain
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

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        if skip:
            payloads = [payload[skip:] if payload is not None else None for payload in payloads]
        found, every = Found(), range(len(payloads))
        if not self._fast.usable:
            read_rows(payloads, every, found, self._schema, self._row)
            return found.result(self._schema)
        blob = b"\n".join([payload or b"" for payload in payloads])
        if are_all_plain(blob, len(payloads)):
            table = self._fast.decode(blob, len(payloads))
            if table is not None:
                found.add(table.cast(self._schema), every)
            else:
                self._pieces(payloads, every, found)
            return found.result(self._schema)
        plain = [n for n in every if is_plain(payloads[n])]
        self._pieces([payloads[n] for n in plain], plain, found)
        chosen = set(plain)
        others = [n for n in every if n not in chosen]
        read_rows([payloads[n] for n in others], others, found, self._schema, self._row)
        return found.result(self._schema)

    def _pieces(self, payloads: Sequence[bytes | None], places: Sequence[int], found: Found) -> None:
        read_pieces(payloads, places, found, self._schema, fast=self._block, slow=self._row)

    def _block(self, payloads: Sequence[bytes]) -> pa.Table | None:
        table = self._fast.decode(b"\n".join(payloads), len(payloads))
        return None if table is None else table.cast(self._schema)

    def _row(self, payload: bytes | None) -> Row:
        return decode_row(payload, self._fields)

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Need nothing: JSON tells its own structure."""
        del payloads
        return set()

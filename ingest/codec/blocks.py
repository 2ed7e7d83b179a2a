"""Decode a block of JSON records: fast as a whole, slow only around the records that need it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ingest.codec.columns import FastDecoder, StrangerError, are_all_plain, are_joined, is_plain
from ingest.codec.decoded import Decoded, Found, row_schema
from ingest.codec.pieces import read_most, read_pieces, read_rows
from ingest.codec.rows import Row, decode_row
from ingest.codec.screen import Screen
from lake.types import Field


class JsonCodec:
    """Read JSON records into the columns of `fields`; thread-safe."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._schema = row_schema(fields)
        self._fast = FastDecoder(fields)
        self._screen = Screen(fields) if self._fast.usable else None
        self._all_known = True  # no record yet had a member that no column has
        self._had_bad = False  # the last block did not go as a whole: the next one may be like it

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        if skip:
            payloads = [payload[skip:] if payload is not None else None for payload in payloads]
        found = Found(self._schema)
        if not self._fast.usable:
            read_rows(payloads, range(len(payloads)), found, self._row)
            return found.result()
        if not self._take_blocks(payloads, found):
            self._take_pieces(payloads, found)
        return found.result()

    def _take_blocks(self, payloads: Sequence[bytes | None], found: Found) -> bool:
        """Decode as one block, with the suspects left out or without; tells whether that went."""
        if self._had_bad and self._take_most(payloads, found):
            return True
        table = self._whole(payloads)
        had_bad, self._had_bad = self._had_bad, table is None
        if table is not None:
            found.add(table, range(len(payloads)))
            return True
        return not had_bad and self._take_most(payloads, found)

    def _take_most(self, payloads: Sequence[bytes | None], found: Found) -> bool:
        assert self._screen is not None
        return read_most(
            payloads,
            range(len(payloads)),
            found,
            fast=self._whole,
            slow=self._row,
            search=self._screen.suspects,
        )

    def _take_pieces(self, payloads: Sequence[bytes | None], found: Found) -> None:
        """Decode plain records in pieces, and the others row by row."""
        every = range(len(payloads))
        plain = [n for n in every if is_plain(payloads[n])]
        is_same = len(plain) == len(payloads)  # that they don't go as one block is known
        self._pieces([payloads[n] for n in plain], plain, found, has_failed=is_same)
        chosen = set(plain)
        others = [n for n in every if n not in chosen]
        read_rows([payloads[n] for n in others], others, found, self._row)

    def _whole(self, payloads: Sequence[bytes | None]) -> pa.Table | None:
        """Decode a block as a whole; None when a record of it needs a look of its own."""
        table = self._joined(b"\n".join([payload or b"" for payload in payloads]), len(payloads))
        return None if table is None else table.cast(self._schema)

    def _joined(self, blob: bytes, count: int) -> pa.Table | None:
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

"""Decode a block of JSON records: fast as a whole, slow only around the records that need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ingest.codec.columns import FastDecoder, are_all_plain, is_plain
from ingest.codec.decoded import Decoded, Found, row_schema
from ingest.codec.rows import decode_row
from lake.types import Field

_PIECES = 16  # a block that failed is tried again in so many pieces
_SMALL = 16  # a piece of this size is read row by row


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
        found = Found()
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

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """JSON tells its own structure."""
        del payloads
        return set()

    def _piece(
        self, payloads: Sequence[Any], numbers: Sequence[int], found: Found, *, blob: bytes | None = None
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

    def _rows(self, payloads: Sequence[bytes | None], numbers: Sequence[int], found: Found) -> None:
        good: list[dict[str, Any]] = []
        places: list[int] = []
        for payload, number in zip(payloads, numbers, strict=True):
            row = decode_row(payload, self._fields)
            if row.failures:
                found.refuse(number, row.failures, row.values)
            else:
                good.append(row.values)
                places.append(number)
        if good:
            found.add(pa.Table.from_pylist(good, schema=self._schema), places)

"""Read a block fast as a whole, slow only the records that need it, or those around them.

A block that failed is first searched for suspects: records for whose sake it may have. What is left is
tried as a block again. Where that fails too, it is cut into pieces, down to single records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from ingest.codec.decoded import Found
from ingest.codec.rows import Row

_PIECES = 16  # a block that failed is tried again in so many pieces
_SMALL = 16  # a piece of this size is read row by row
_MOST_SUSPECTS = 4  # a block in which more than one of so many records is a suspect is read in pieces

Fast = Callable[[Sequence[Any]], pa.Table | None]
Slow = Callable[[bytes | None], Row]
Search = Callable[[Sequence[Any]], list[int]]


def read_in_pieces(
    payloads: Sequence[bytes | None],
    found: Found,
    *,
    fast: Fast | None,
    slow: Slow,
    search: Search,
) -> None:
    """Read records by columns where that goes, row by row where it doesn't.

    `fast` takes records that are there and says None when one of them needs the slow path; `search` gives
    the places of those that probably do.
    """
    if fast is None:
        read_rows(payloads, range(len(payloads)), found, slow)
        return
    there: Sequence[bytes | None] = payloads
    places: Sequence[int] = range(len(payloads))
    if None in payloads:
        places = [n for n, payload in enumerate(payloads) if payload is not None]
        there = [payloads[n] for n in places]
        missing = [n for n, payload in enumerate(payloads) if payload is None]
        read_rows([None] * len(missing), missing, found, slow)
    if there and (table := fast(there)) is not None:
        found.add(table, places)
    elif not read_most(there, places, found, fast=fast, slow=slow, search=search):
        read_pieces(there, places, found, fast=fast, slow=slow, has_failed=True)


def read_most(
    payloads: Sequence[Any],
    places: Sequence[int],
    found: Found,
    *,
    fast: Fast,
    slow: Slow,
    search: Search,
) -> bool:
    """Read all but the suspects as one block, and those row by row; tells whether that went."""
    suspects = search(payloads)
    if not 0 < _MOST_SUSPECTS * len(suspects) < len(payloads):
        return False
    chosen = set(suspects)
    others = [n for n in range(len(payloads)) if n not in chosen]
    table = fast([payloads[n] for n in others])
    if table is None:
        return False
    found.add(table, [places[n] for n in others])
    read_rows([payloads[n] for n in suspects], [places[n] for n in suspects], found, slow)
    return True


def read_pieces(
    payloads: Sequence[Any],
    places: Sequence[int],
    found: Found,
    *,
    fast: Fast,
    slow: Slow,
    has_failed: bool = False,
) -> None:
    """Read as one block (unless that has failed already), else in pieces, else row by row."""
    if not payloads:
        return
    table = None if has_failed else fast(payloads)
    if table is not None:
        found.add(table, places)
    elif len(payloads) <= _SMALL:
        read_rows(payloads, places, found, slow)
    else:
        size = max(_SMALL, -(-len(payloads) // _PIECES))
        for start in range(0, len(payloads), size):
            own = slice(start, start + size)
            read_pieces(payloads[own], places[own], found, fast=fast, slow=slow)


def read_rows(payloads: Sequence[bytes | None], places: Sequence[int], found: Found, slow: Slow) -> None:
    """Read row by row."""
    good: list[dict[str, Any]] = []
    kept: list[int] = []
    for payload, place in zip(payloads, places, strict=True):
        row = slow(payload)
        if row.failures:
            found.refuse(place, row.failures, row.values)
        else:
            good.append(row.values)
            kept.append(place)
    if good:
        found.add(pa.Table.from_pylist(good, schema=found.schema), kept)

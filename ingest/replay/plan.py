"""Cut what is to be replayed into parts that one commit takes."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

CHUNK_RECORDS = 10_000  # their coordinates stand in a property until they are recorded
CHUNK_BYTES = 32 * 1024 * 1024


def plan_chunks(
    records: pa.Table, *, most_records: int = CHUNK_RECORDS, most_bytes: int = CHUNK_BYTES
) -> Iterator[pa.Table]:
    """Yield slices in order; each holds at least one record and no more than the bounds allow.

    `records` has a column `bytes`. The same records are always cut alike.
    """
    sizes = records.column("bytes").to_pylist()
    start = weight = 0
    for place, size in enumerate(sizes):
        if place > start and (place - start == most_records or weight + size > most_bytes):
            yield records.slice(start, place - start)
            start, weight = place, 0
        weight += size
    if start < len(sizes):
        yield records.slice(start)


def by_partition(records: pa.Table) -> Iterator[pa.Table]:
    """Yield the slices of each source and partition; `records` is ordered by them."""
    keys = list(
        zip(records.column("source").to_pylist(), records.column("partition").to_pylist(), strict=True)
    )
    start = 0
    for place in range(1, len(keys) + 1):
        if place == len(keys) or keys[place] != keys[start]:
            yield records.slice(start, place - start)
            start = place

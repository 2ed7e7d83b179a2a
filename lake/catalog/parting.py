"""Which partition of its table each row belongs to; a data file holds the rows of one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.partitioning import PartitionField
from pyiceberg.transforms import BucketTransform
from pyiceberg.typedef import Record

from lake.catalog.tables import TableState
from lake.catalog.transforms import partition_values

_OF_TIME = frozenset({"year", "month", "day", "hour"})


def split_by_partition(state: TableState, rows: pa.Table) -> Iterator[tuple[Record, pa.Table]]:
    """Yield the rows of each partition value, in their order; slices where they lie together already."""
    if state.handle.spec().is_unpartitioned():
        yield Record(), rows
        return
    if most_partitions(state, rows) == 1:
        yield Record(*(key[0].as_py() for key in _keys(state, rows.slice(0, 1)))), rows
        return
    keys = _keys(state, rows)
    codes = _combination_codes(keys)
    runs = pc.run_end_encode(codes)
    if len(runs.values) != len(pc.unique(codes)):
        order = pc.array_sort_indices(codes)  # stable, so the order of offsets stays
        rows, keys = rows.take(order), [key.take(order) for key in keys]
        runs = pc.run_end_encode(codes.take(order))
    start = 0
    for end in runs.run_ends.to_pylist():
        yield Record(*(key[start].as_py() for key in keys)), rows.slice(start, end - start)
        start = end


def most_partitions(state: TableState, rows: pa.Table) -> float:
    """Return a number of partitions that rows certainly do not exceed, at the price of one cheap look."""
    if rows.num_rows == 0 or state.handle.spec().is_unpartitioned():
        return float(min(1, rows.num_rows))
    most = math.prod(_most(state, rows, cut) for cut in state.handle.spec().fields)
    return float(min(rows.num_rows, most))


def first_places(state: TableState, rows: pa.Table) -> list[int]:
    """Return the places of the rows that are the first of their partition, ascending."""
    if rows.num_rows == 0 or state.handle.spec().is_unpartitioned():
        return [0][: rows.num_rows]
    _, places = np.unique(_combination_codes(_keys(state, rows)).to_numpy(), return_index=True)
    found: list[int] = np.sort(places).tolist()
    return found


def _most(state: TableState, rows: pa.Table, cut: PartitionField) -> float:
    if isinstance(cut.transform, BucketTransform):
        return float(cut.transform.num_buckets + 1)
    if str(cut.transform) not in _OF_TIME:
        return math.inf
    column = _source(state, rows, cut)
    ends = pc.min_max(column)
    first, last = partition_values(
        str(cut.transform), pa.array([ends["min"].as_py(), ends["max"].as_py()], column.type)
    ).to_pylist()
    return 1 + (0 if first is None else last - first + bool(column.null_count))


def _keys(state: TableState, rows: pa.Table) -> list[pa.Array]:
    return [
        partition_values(str(cut.transform), _source(state, rows, cut).combine_chunks())
        for cut in state.handle.spec().fields
    ]


def _source(state: TableState, rows: pa.Table, cut: PartitionField) -> pa.ChunkedArray:
    return rows.column(state.handle.schema().find_column_name(cut.source_id) or "")


def _combination_codes(keys: list[pa.Array]) -> pa.Array:
    """Give a number to each distinct combination of the partition values, null included."""
    codes: Any = None
    for key in keys:
        encoded = pc.dictionary_encode(key, null_encoding="encode")
        indices = encoded.indices.cast(pa.int64())
        codes = indices if codes is None else pc.add(pc.multiply(codes, len(encoded.dictionary)), indices)
    return codes

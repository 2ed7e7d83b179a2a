"""Iceberg's partition transforms on Arrow columns (spec, "Partition Transforms").

pyiceberg needs a compiled extra for them; contracts ask only for those below.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.errors import ConfigurationError

_HOUR_MICROSECONDS = 3_600_000_000


def partition_values(transform: str, column: pa.Array) -> pa.Array:
    """Return each row's partition value as manifests hold it: times as whole units since 1970.

    Raises ConfigurationError for a transform that landing can't write.
    """
    match transform:
        case "identity":
            return _identity(column)
        case "year":
            return pc.subtract(pc.year(_utc(column)), 1970)
        case "month":
            local = _utc(column)
            years = pc.subtract(pc.year(local), 1970)
            return pc.add(pc.multiply(years, 12), pc.subtract(pc.month(local), 1))
        case "day":
            return pc.floor_temporal(_utc(column), unit="day").cast(pa.date32()).cast(pa.int32())
        case "hour":
            hours = pc.floor_temporal(_utc(column), unit="hour").cast(pa.int64())
            return pc.divide(hours, _HOUR_MICROSECONDS)
    raise ConfigurationError(
        f"landing can't write the partition transform {transform}",
        hint="use identity, year, month, day or hour",
    )


def _utc(column: pa.Array) -> pa.Array:
    """Drop the zone (values are UTC already), so that the calendar functions see UTC."""
    return column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column


def _identity(column: pa.Array) -> Any:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column.cast(pa.int32()) if pa.types.is_date(column.type) else column

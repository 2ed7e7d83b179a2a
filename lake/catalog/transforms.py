"""Iceberg's partition transforms on Arrow columns (spec, "Partition Transforms").

pyiceberg needs a compiled extra for whole columns; of its own value by value code, only bucket and
truncate are used, once per distinct value.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.transforms import BucketTransform, TruncateTransform, parse_transform
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
)

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
    parsed = parse_transform(transform)
    if isinstance(parsed, BucketTransform | TruncateTransform):
        return _by_distinct_value(parsed, column)
    raise ConfigurationError(
        f"landing can't write the partition transform {transform}",
        hint="use identity, year, month, day, hour, bucket[n] or truncate[n]",
    )


def _by_distinct_value(transform: Any, column: pa.Array) -> pa.Array:
    """Apply a transform of pyiceberg to each distinct value; null stays null."""
    kind = column.type
    encoded = pc.dictionary_encode(_identity(column))
    function = transform.transform(_source_type(kind))
    values = [function(value) for value in encoded.dictionary.to_pylist()]
    target = pa.int32() if isinstance(transform, BucketTransform) else kind
    return pa.array(values, target).take(encoded.indices)


def _source_type(kind: pa.DataType) -> IcebergType:
    if pa.types.is_decimal(kind):
        return DecimalType(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return TimestamptzType() if kind.tz else TimestampType()
    if pa.types.is_integer(kind):
        return IntegerType() if kind.bit_width == 32 else LongType()
    if pa.types.is_date(kind):
        return DateType()
    return BinaryType() if pa.types.is_binary(kind) else StringType()


def _utc(column: pa.Array) -> pa.Array:
    """Drop the zone (values are UTC already), so that the calendar functions see UTC."""
    return column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column


def _identity(column: pa.Array) -> Any:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column.cast(pa.int32()) if pa.types.is_date(column.type) else column

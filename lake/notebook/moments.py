"""When a feature was known and when a label is asked: microseconds, rounded so that nothing leaks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.errors import BadInputError

_DAY = 86_400_000_000


def known_at(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the moment from which a feature was known for certain: of a day, its end."""
    return _moments(column, later=True)


def asked_at(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the moment at which a label is asked: of a day, its begin."""
    return _moments(column, later=False)


def _moments(column: pa.ChunkedArray, *, later: bool) -> pa.ChunkedArray:
    kind = column.type
    try:
        if pa.types.is_date(kind):
            days = column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
            return pc.multiply(pc.add(days, int(later)), _DAY)
        if kind.unit != "ns":
            return column.cast(pa.timestamp("us", tz=kind.tz)).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise BadInputError(f"a time is too far away: {error}") from error
    nanoseconds = column.cast(pa.int64()).combine_chunks()
    rounded = np.floor_divide(nanoseconds.fill_null(0).to_numpy() + (999 if later else 0), 1000)
    return pa.chunked_array(
        [pa.array(rounded, pa.int64(), mask=nanoseconds.is_null().to_numpy(zero_copy_only=False))]
    )

"""Big-endian two's complement bytes to decimals, as a column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalog import arrow_type
from lake.types import Decimal

_WIDTH = 16
_DIGITS = 38


def to_decimals(found: pa.BinaryArray, scale: int, kind: Decimal) -> pa.Array | None:
    """Return the numbers that bytes of any length up to 16 stand for, null for null.

    None when one of them is longer, or is not exactly a number of the column's type.
    """
    wide = _wide(found)
    if wide is None:
        return None
    return _rescale(wide, scale, kind)


def _wide(found: pa.BinaryArray) -> pa.Array | None:
    """Return the unscaled numbers."""
    count = len(found)
    offsets = np.frombuffer(found.buffers()[1], np.int32, count + 1, found.offset * 4).astype(np.int64)
    lengths = np.diff(offsets)
    if count and lengths.max() > _WIDTH:
        return None
    data = np.frombuffer(found.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    rows = np.repeat(np.arange(count), lengths)
    starts = offsets[:-1] - offsets[0]
    places = np.arange(len(data)) - starts[rows]  # of a byte in its number, the highest first
    numbers = np.zeros((count, _WIDTH), np.uint8)
    filled = lengths > 0
    numbers[filled] = np.where(data[starts[filled]] >= 0x80, 0xFF, 0)[:, None]  # the sign goes on
    numbers[rows, lengths[rows] - 1 - places] = data  # little-endian from here
    valid = None if not found.null_count else found.is_valid().buffers()[1]
    return pa.Array.from_buffers(
        pa.decimal128(_DIGITS, 0), count, [valid, pa.py_buffer(np.ascontiguousarray(numbers))]
    )


def _rescale(wide: pa.Array, scale: int, kind: Decimal) -> pa.Array | None:
    bounds = pc.min_max(wide).as_py()
    if bounds["min"] is not None:
        largest = max(abs(int(bounds["min"])), abs(int(bounds["max"])))
        # Beyond it a shift to more digits would wrap around.
        if largest >= 10 ** min(_DIGITS, _DIGITS + scale - kind.scale):
            return None
    if not 0 <= scale <= _DIGITS:
        return None
    exact = pa.Array.from_buffers(pa.decimal128(_DIGITS, scale), len(wide), wide.buffers())
    return exact.cast(arrow_type(kind))

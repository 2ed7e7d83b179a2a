"""Texts to times and numbers by columns; `values` says what each text means, row by row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec.values import TIMESTAMP, ZONE
from lake.catalog import arrow_type
from lake.types import Decimal, FieldType, Primitive

_SAFE_DIGITS = 38  # precision and scale together: no number wraps around while it is shifted
_NUMBER = r"^[+-]?\d{1,18}(\.\d{1,18})?$"
_YEAR_1 = -62_135_596_800_000_000  # microseconds of 0001-01-01T00:00:00Z
_YEAR_9999_END = 253_402_300_799_999_999
_DAY_1 = -719_162
_FORMS = {
    # column type: length of its usual form, last character of it, pattern of all its forms
    Primitive.DATE: (10, "", r"^\d{4}-\d{2}-\d{2}$"),
    Primitive.TIMESTAMPTZ: (20, "Z", rf"^{TIMESTAMP}{ZONE}$"),
    Primitive.TIMESTAMP: (19, "", rf"^{TIMESTAMP}$"),
}


def is_provable(kind: FieldType) -> bool:
    """Tell whether texts can become a column of a type here."""
    if isinstance(kind, Decimal):
        return kind.precision + kind.scale <= _SAFE_DIGITS
    return kind in _FORMS or kind is Primitive.STRING


def parse_texts(column: pa.ChunkedArray, kind: FieldType) -> pa.ChunkedArray | None:
    """Return the values of a column of texts; None when one of them needs the slow path."""
    if isinstance(kind, Decimal):
        if pc.all(pc.match_substring_regex(column, _NUMBER)).as_py() is False:
            return None
        return column.cast(arrow_type(kind))
    assert isinstance(kind, Primitive)
    return column if kind is Primitive.STRING else times_of(column, kind)


def times_of(column: pa.ChunkedArray, kind: Primitive) -> pa.ChunkedArray | None:
    """Return dates or times of texts; None when one of them needs the slow path."""
    length, last, pattern = _FORMS[kind]
    lengths = pc.min_max(pc.binary_length(column)).as_py()
    if lengths["min"] is None:
        return column.cast(arrow_type(kind))
    usual = lengths["min"] == lengths["max"] == length
    if usual and last:
        usual = pc.all(pc.ends_with(column, last)).as_py()
    if not usual and not pc.all(pc.match_substring_regex(column, pattern)).as_py():
        return None
    times = column.cast(arrow_type(kind))
    bounds = pc.min_max(times.cast(pa.int32() if kind is Primitive.DATE else pa.int64())).as_py()
    low, high = (_DAY_1, None) if kind is Primitive.DATE else (_YEAR_1, _YEAR_9999_END)
    if bounds["min"] < low or (high is not None and bounds["max"] > high):
        return None
    return times

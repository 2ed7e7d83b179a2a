"""Many JSON records to Arrow columns at once: the fast path.

It must accept nothing that the slow path refuses, and give the same values; what it refuses the slow
path decides. `tests/property` holds it to that. Arrow's JSON reader is stricter than others (3.7 and
"5" are no integers, decimals come from their text, a repeated member is an error), but on its own it
takes NaN, times without zone, decimals beyond the precision and invalid UTF-8 outside of columns, and
a literal `null` crashes it. So suspicious payloads are kept away from it and its answer is checked.
Where members that no column has are errors too, all that it takes stands in a column and is checked
there, so payloads need no look before.
Decimals whose digits don't fit into 128 bits once they are shifted by the scale come out as other
numbers, which no check can see afterwards: columns wide enough for that are read by the slow path, and
so are numbers whose exponent shifts them by ten or more digits to the right, which can come out as 0.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ingest.codec.texts import times_of
from lake.catalog import arrow_type
from lake.types import Decimal, Field, FieldType, Primitive

_FAST = {
    Primitive.BOOLEAN,
    Primitive.INT,
    Primitive.LONG,
    Primitive.DOUBLE,
    Primitive.STRING,
    Primitive.DATE,
    Primitive.TIMESTAMP,
    Primitive.TIMESTAMPTZ,
}
_AS_TEXT = {Primitive.DATE, Primitive.TIMESTAMP, Primitive.TIMESTAMPTZ}
_MOST_BRACKETS = 200
_SHIFTED_DIGITS = 38  # any number of so many digits fits into 128 bits
_FAR_SHIFT = re.compile(rb"\d[eE]-\d\d")
_SMALLEST_BLOCK = 1 << 16
_LOWER = np.uint8(0x20)  # the bit that makes a letter small
_STRANGER = "unexpected field"


class StrangerError(Exception):
    """A record has a member that no column has; never leaves the codec."""


class FastDecoder:
    """Decode blocks of payloads for one list of fields."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self.usable = all(_is_fast(f.type) for f in fields)
        self._has_decimals = any(isinstance(f.type, Decimal) for f in fields)
        self._schema = pa.schema(
            [pa.field(f.name, pa.string() if f.type in _AS_TEXT else arrow_type(f.type)) for f in fields]
        )
        self._lax = pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="ignore")
        self._strict = pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="error")

    def decode(self, blob: bytes, count: int) -> pa.Table | None:
        """Return the rows of `count` plain payloads joined by newlines, in their order.

        None when at least one of them needs the slow path.
        """
        try:
            return self._decode(blob, count, self._lax)
        except pa.ArrowInvalid:
            return None

    def decode_known(self, blob: bytes, count: int) -> pa.Table | None:
        """Return the rows of `count` objects joined by newlines (`are_joined`), plain or not.

        None when one of them needs the slow path; StrangerError when one has a member that no column has.
        """
        try:
            return self._decode(blob, count, self._strict)
        except pa.ArrowInvalid as error:
            if _STRANGER in str(error):
                raise StrangerError from error
            return None

    def _decode(self, blob: bytes, count: int, parse: pj.ParseOptions) -> pa.Table | None:
        if not blob.isascii() and not _is_utf8(blob):
            return None
        if self._has_decimals and _shifts_far(blob):
            return None
        options = pj.ReadOptions(use_threads=False, block_size=max(len(blob) + 1, _SMALLEST_BLOCK))
        try:
            table = pj.read_json(pa.BufferReader(blob), read_options=options, parse_options=parse)
            if table.num_rows != count:
                return None
            columns = [self._finish(table.column(f.name), f) for f in self._fields]
        except pa.ArrowNotImplementedError:
            return None
        kept = [c for c in columns if c is not None]
        return pa.table(kept, names=self._schema.names) if len(kept) == len(columns) else None

    @staticmethod
    def _finish(column: pa.ChunkedArray, field: Field) -> pa.ChunkedArray | None:
        """Check what Arrow's reader leaves open; None when a value needs the slow path."""
        if isinstance(field.type, Decimal):
            return column if _decimals_fit(column, field.type) else None
        if field.type is Primitive.DOUBLE:
            return column if pc.all(pc.is_finite(column)).as_py() is not False else None
        if field.type in _AS_TEXT:
            assert isinstance(field.type, Primitive)
            return times_of(column, field.type)
        return column


def _is_fast(kind: FieldType) -> bool:
    if isinstance(kind, Decimal):
        return kind.precision + kind.scale <= _SHIFTED_DIGITS
    return kind in _FAST


def are_joined(blob: bytes, count: int) -> bool:
    """Tell of `count` payloads joined by newlines that each begins and ends with a brace.

    With no newline but the joints, every joint between two braces shows how a payload ends and begins.
    """
    if not (blob.startswith(b"{") and blob.endswith(b"}")):
        return False
    text = np.frombuffer(blob, np.uint8)
    joints = np.flatnonzero(text == ord("\n"))
    return bool(
        len(joints) == count - 1
        and (text[joints - 1] == ord("}")).all()
        and (text[joints + 1] == ord("{")).all()
    )


def are_all_plain(blob: bytes, count: int) -> bool:
    """Tell from `count` payloads joined by newlines that each is plain; False means "look at each"."""
    text = np.frombuffer(blob, np.uint8)
    return (
        are_joined(blob, count)
        and not _holds(text, b"NaN")
        and not _holds(text, b"Inf")
        and blob.count(b"{") + blob.count(b"[") <= count + _MOST_BRACKETS - 1
    )


def _holds(text: np.ndarray[Any, np.dtype[np.uint8]], word: bytes) -> bool:
    """Look for a word of three letters, by its first: a fifth of the time that `in` takes."""
    first = np.flatnonzero(text[:-2] == word[0])
    return bool(((text[first + 1] == word[1]) & (text[first + 2] == word[2])).any())


def is_plain(payload: bytes | None) -> bool:
    """Tell whether a payload may go to Arrow's reader.

    It starts and ends with a brace, so that payloads can't merge or split when they are joined: a `}`
    before a newline and a `{` after it inside of one value is never valid JSON. It has no literal that
    only some parsers know, and is not nested deeper than both paths can follow.
    """
    return (
        payload is not None
        and payload[:1] == b"{"
        and payload[-1:] == b"}"
        and b"NaN" not in payload
        and b"Inf" not in payload
        and payload.count(b"{") + payload.count(b"[") <= _MOST_BRACKETS
    )


def _is_utf8(blob: bytes) -> bool:
    try:
        pa.array([blob], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _shifts_far(blob: bytes) -> bool:
    """Look for such an exponent; only where an `e` stands before a minus sign, which is rare."""
    text = np.frombuffer(blob, np.uint8)
    before = text[np.flatnonzero(text == ord("-")) - 1]
    return bool(((before | _LOWER) == ord("e")).any()) and _FAR_SHIFT.search(blob) is not None


def _decimals_fit(column: pa.ChunkedArray, kind: Decimal) -> bool:
    bounds = pc.min_max(column).as_py()
    limit = 10 ** (kind.precision - kind.scale)
    return bounds["min"] is None or (bounds["min"] > -limit and bounds["max"] < limit)

"""Columns of a file or a query to those of a contract, as a whole.

What a value means is defined by `render` and the JSON codec: the value as JSON, read as a record would be.
Here whole columns are converted without that detour, where both give the same; a value that doesn't convert
exactly makes its row a suspect, which takes the detour. `tests/property` holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec.texts import times_of
from ingest.codec.values import TIMESTAMP
from lake.catalog import arrow_type
from lake.types import Decimal, FieldType, Primitive

Convert = Callable[[pa.Array], pa.Array]

_SMALL = 16  # so many values around one that doesn't convert become suspects together
_SHIFTED_DIGITS = 38  # numbers of so many digits fit into 128 bits however they are shifted
_INTEGER = r"^-?(0|[1-9][0-9]*)$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_PLAIN_NUMBER = r"^[+-]?[0-9]{1,38}(\.[0-9]{1,38})?$"
_NAIVE = rf"^{TIMESTAMP}$"
_YEAR_1, _YEAR_9999_END = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds
_KNOWN_YEARS = (0, 2_082_758_400_000_000)  # 1970 to 2035
_DAY_1, _LAST_DAY = -719_162, 2_932_896


def fit_column(
    column: pa.Array, kind: FieldType, *, cells: bool, zone: str
) -> tuple[pa.Array, pa.BooleanArray | None]:
    """Return the values as the contract's type, null where they don't convert, and a mask of those.

    `cells` says that texts are cells of a CSV file, where a number has no type of its own; `zone` is that
    of times that have none.
    """
    target = arrow_type(kind)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    convert = _cell_converter(kind, zone) if cells and is_text else None
    convert = convert or _converter(column.type, kind, zone)
    if column.null_count == len(column):
        return pa.nulls(len(column), target), None
    if convert is None:
        return pa.nulls(len(column), target), pc.is_valid(column)
    return _convert(column, convert, target)


def _convert(
    column: pa.Array, convert: Convert, target: pa.DataType
) -> tuple[pa.Array, pa.BooleanArray | None]:
    """Convert as a whole, else in halves, down to a few values around each that doesn't convert."""
    pieces: list[pa.Array] = []
    masks: list[pa.Array] = []

    def halve(part: pa.Array) -> None:
        try:
            pieces.append(convert(part))
            masks.append(pa.repeat(False, len(part)))
        except pa.ArrowInvalid:
            if len(part) <= _SMALL:
                pieces.append(pa.nulls(len(part), target))
                masks.append(pc.is_valid(part))
                return
            middle = len(part) // 2
            halve(part.slice(0, middle))
            halve(part.slice(middle))

    halve(column)
    if len(pieces) == 1:
        return pieces[0], masks[0] if pc.any(masks[0]).as_py() else None
    return pa.concat_arrays(pieces), pa.concat_arrays(masks)


def _converter(source: pa.DataType, kind: FieldType, zone: str) -> Convert | None:
    """Return what converts typed values, None where only the detour knows."""
    target = arrow_type(kind)
    is_number = pa.types.is_integer(source) or pa.types.is_floating(source) or pa.types.is_decimal(source)
    is_text = pa.types.is_string(source) or pa.types.is_large_string(source)
    match kind:
        case Primitive.INT | Primitive.LONG:
            return (lambda v: v.cast(target)) if is_number else None
        case Primitive.DOUBLE:
            return (lambda v: _finite(_wide(v))) if is_number else None
        case Decimal():
            if is_text and _is_short(kind):
                return lambda v: _matching(v, _PLAIN_NUMBER).cast(target)
            if pa.types.is_decimal(source):
                return lambda v: v.cast(target)
            return (lambda v: _digits(v).cast(target)) if is_number and _is_short(kind) else None
        case Primitive.STRING:
            return _valid_text if is_text else None
        case Primitive.BOOLEAN:
            return _same if pa.types.is_boolean(source) else None
        case Primitive.BINARY:
            is_binary = pa.types.is_binary(source) or pa.types.is_large_binary(source)
            return (lambda v: v.cast(target)) if is_binary else None
        case Primitive.DATE | Primitive.TIMESTAMP | Primitive.TIMESTAMPTZ:
            return _time_converter(source, kind, zone, is_text=is_text)
    return None


def _time_converter(source: pa.DataType, kind: Primitive, zone: str, *, is_text: bool) -> Convert | None:
    target = arrow_type(kind)
    if is_text:
        return lambda v: _times(v, kind)
    if kind is Primitive.DATE:
        if pa.types.is_date(source):
            return lambda v: _between(v.cast(target), pa.int32(), _DAY_1, _LAST_DAY)
        return (lambda v: _midnights(v, target)) if _is_naive(source) else None
    if kind is Primitive.TIMESTAMPTZ and _is_naive(source):
        if not zone:
            return None
        return lambda v: _in_zone(v.cast(pa.timestamp("us")), zone)
    fits = pa.types.is_timestamp(source) and (source.tz is None) == (kind is Primitive.TIMESTAMP)
    return (lambda v: _instants(v, target)) if fits else None


def _cell_converter(kind: FieldType, zone: str) -> Convert | None:
    """Return what converts cells of a CSV file; None: as any text."""
    target = arrow_type(kind)
    match kind:
        case Primitive.INT | Primitive.LONG:
            return lambda v: _matching(v, _INTEGER).cast(target)
        case Primitive.DOUBLE:
            return lambda v: _finite(_matching(v, _NUMBER).cast(target))
        case Primitive.BOOLEAN:
            return lambda v: pc.equal(_matching(pc.utf8_lower(v), "^(true|false)$"), "true")
        case Primitive.TIMESTAMPTZ if zone:
            return lambda v: _cells_of_zone(v, zone)
    return None


def _cells_of_zone(values: pa.Array, zone: str) -> pa.Array:
    if pc.any(pc.match_substring_regex(values, _NAIVE)).as_py():
        naive = _times(_matching(values, _NAIVE), Primitive.TIMESTAMP)
        return _in_zone(naive, zone)
    return _times(values, Primitive.TIMESTAMPTZ)


def _times(values: pa.Array, kind: Primitive) -> pa.Array:
    found = times_of(pa.chunked_array([values.cast(pa.string())]), kind)
    if found is None:
        raise pa.ArrowInvalid("no time of the usual form")
    return found.combine_chunks()


def _matching(values: pa.Array, pattern: str) -> pa.Array:
    if pc.all(pc.match_substring_regex(values, pattern)).as_py() is False:
        raise pa.ArrowInvalid("another form")
    return values


def _same(values: pa.Array) -> pa.Array:
    return values


def _valid_text(values: pa.Array) -> pa.Array:
    values.validate(full=True)
    return values.cast(pa.string())


def _wide(values: pa.Array) -> pa.Array:
    if pa.types.is_decimal(values.type):
        return values.cast(pa.string()).cast(pa.float64())
    return values.cast(pa.float64(), safe=False)


def _finite(values: pa.Array) -> pa.Array:
    if pc.all(pc.is_finite(values)).as_py() is False:
        raise pa.ArrowInvalid("no finite number")
    return values


def _digits(values: pa.Array) -> pa.Array:
    """Write numbers as text: a double by the fewest digits that mean it, as JSON does."""
    if pa.types.is_floating(values.type):
        values = _finite(values.cast(pa.float64()))
    return _matching(values.cast(pa.string()), _PLAIN_NUMBER)


def _is_short(kind: Decimal) -> bool:
    return kind.precision + kind.scale <= _SHIFTED_DIGITS


def _is_naive(source: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(source) and source.tz is None)


def _instants(values: pa.Array, target: pa.DataType) -> pa.Array:
    return _between(values.cast(target), pa.int64(), _YEAR_1, _YEAR_9999_END)


def _in_zone(values: pa.Array, zone: str) -> pa.Array:
    """Return local times in UTC. Arrow knows no summer time after 2037, so few years go this way."""
    _between(values, pa.int64(), *_KNOWN_YEARS)
    return pc.assume_timezone(values, zone).cast(arrow_type(Primitive.TIMESTAMPTZ))


def _midnights(values: pa.Array, target: pa.DataType) -> pa.Array:
    days = values.cast(target, safe=False)
    if pc.all(pc.equal(days.cast(values.type), values)).as_py() is False:
        raise pa.ArrowInvalid("no midnight")
    return _between(days, pa.int32(), _DAY_1, _LAST_DAY)


def _between(values: pa.Array, plain: pa.DataType, low: int, high: int) -> pa.Array:
    bounds = pc.min_max(values.cast(plain)).as_py()
    if bounds["min"] is not None and (bounds["min"] < low or bounds["max"] > high):
        raise pa.ArrowInvalid("beyond the years 1 to 9999")
    return values

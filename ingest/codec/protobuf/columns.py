"""Many Protobuf messages to Arrow columns at once: the fast path.

ptars reads the wire into Arrow by the mirror of the writer's schema (`mirror`), four times as fast as one
by one. What the mirror leaves open is checked here: enums are numbers, times two of them, finite doubles,
ranges. It cuts a tag of more than 32 bits, which no writer ever makes, where the slow path refuses it; in
everything else it must accept nothing that the slow path refuses, and give the same values:
`tests/property`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ptars import HandlerPool, PtarsConfig

from ingest.codec.decoded import row_schema
from ingest.codec.panics import refused
from ingest.codec.protobuf.fit import Fit
from ingest.codec.protobuf.mirror import NANOS, SECONDS, field_name
from ingest.codec.texts import is_provable, parse_texts
from lake.catalog import arrow_type
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799  # seconds of years 1 to 9999


class _SlowError(Exception):
    """A value needs the slow path."""


class FastProtobuf:
    """Decode blocks of messages that one schema wrote; `usable` tells whether it can."""

    def __init__(self, fields: tuple[Field, ...], fits: tuple[Fit, ...], descriptor: Any) -> None:
        self._fits = fits
        self._row_schema = row_schema(fields)
        self.usable = any(fit.number for fit in fits) and all(map(_is_provable, fits))
        if self.usable:
            pool = HandlerPool([descriptor.file], PtarsConfig())
            self._handler: Any = pool.get_for_message(descriptor)

    def decode(self, payloads: Sequence[bytes]) -> pa.Table | None:
        """Return the rows of messages, in their order; None when one of them needs the slow path."""
        batch = refused(lambda: self._handler.list_to_record_batch(payloads))
        if batch is None or batch.num_rows != len(payloads):
            return None
        own = {name: batch.column(n) for n, name in enumerate(batch.schema.names)}
        try:
            columns = _columns(own, self._fits, batch.num_rows)
            return pa.Table.from_arrays(columns, schema=self._row_schema)
        except (_SlowError, pa.ArrowInvalid):
            return None


def _is_provable(fit: Fit) -> bool:
    """Tell whether a column's values can be checked and converted as columns."""
    if not fit.number:
        return True
    match fit.kind:
        case MapOf():
            return False  # repeated keys
        case Struct() | ListOf():
            return bool(fit.parts) and any(p.number for p in fit.parts) and all(map(_is_provable, fit.parts))
    if fit.is_wrapper:
        return _is_provable(fit.parts[0])
    if fit.is_text:
        return is_provable(fit.kind)
    return not isinstance(fit.kind, Decimal)


def _columns(own: dict[str, pa.Array], fits: Sequence[Fit], count: int) -> list[pa.Array]:
    return [
        _column(own[field_name(place)], fit) if fit.number else pa.nulls(count, arrow_type(fit.kind))
        for place, fit in enumerate(fits)
    ]


def _members(found: pa.Array, fits: Sequence[Fit]) -> list[pa.Array]:
    own = {found.type.field(n).name: found.field(n) for n in range(found.type.num_fields)}
    return _columns(own, fits, len(found))


def _column(found: pa.Array, fit: Fit) -> pa.Array:
    """Check and convert one column, or one part of it; raises _SlowError."""
    if isinstance(fit.kind, ListOf):
        items = _column(found.values, fit.parts[0])
        return pa.ListArray.from_arrays(found.offsets, items, type=arrow_type(fit.kind))
    if fit.is_wrapper:
        inner = _members(found, fit.parts)[0]
        return pc.if_else(found.is_valid(), inner, pa.scalar(None, inner.type))
    if fit.is_timestamp:
        return _times(found)
    if isinstance(fit.kind, Struct):
        mask = found.is_null() if found.null_count else None
        return pa.StructArray.from_arrays(
            _members(found, fit.parts), fields=list(arrow_type(fit.kind)), mask=mask
        )
    if fit.names:
        return _enum_names(found, fit)
    if fit.is_text:
        values = parse_texts(found, fit.kind)
        if values is None:
            raise _SlowError
        return values
    return _primitive(found, fit.kind)


def _primitive(found: pa.Array, kind: FieldType) -> pa.Array:
    values = found.cast(arrow_type(kind))
    if kind is Primitive.DOUBLE and pc.all(pc.is_finite(values)).as_py() is False:
        raise _SlowError
    return values


def _enum_names(found: pa.Array, fit: Fit) -> pa.Array:
    numbers: dict[int, str] = {}
    for number, name in fit.names:
        numbers.setdefault(number, name)
    places = pc.index_in(found, pa.array(list(numbers), pa.int32()))
    if places.null_count != found.null_count:
        raise _SlowError
    return pa.array(list(numbers.values()), pa.string()).take(places)


def _times(found: pa.Array) -> pa.Array:
    seconds, nanos = found.field(SECONDS), found.field(NANOS)
    _within(seconds, _EARLIEST, _LATEST)
    _within(nanos, 0, 999_999_999)
    micros = pc.add(pc.multiply(seconds, 1_000_000), pc.divide(nanos.cast(pa.int64()), 1_000))
    times = micros.cast(arrow_type(Primitive.TIMESTAMPTZ))
    return pc.if_else(found.is_valid(), times, pa.scalar(None, times.type)) if found.null_count else times


def _within(found: pa.Array, low: int, high: int) -> None:
    bounds = pc.min_max(found).as_py()
    if bounds["min"] is not None and not (low <= bounds["min"] and bounds["max"] <= high):
        raise _SlowError

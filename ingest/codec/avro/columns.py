"""Many Avro records to Arrow columns at once: the fast path.

pyruhvro takes lists of bytes and gives a record batch, thirty times as fast as one by one. By itself it
does not look at what stands behind a record, cuts integers to 32 bits, leaves text unchecked and ends in
a panic over bytes, fixed and most logical types. So it gets a schema of its own: every integer is a long,
bytes are a string (they are written alike) and are taken back as bytes, logical types are left out and
their values checked and converted here. Each record is given eight bytes more at its end, which the
schema names as its last field: whatever is too long or too short does not end with them.

It must accept nothing that the slow path refuses, and give the same values: `tests/property`.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from ingest.codec.avro.fit import Fit
from ingest.codec.avro.numbers import to_decimals
from ingest.codec.avro.schema import Array, AvroType, Record, Scalar, Union
from ingest.codec.decoded import row_schema
from ingest.codec.frame import SIZE
from ingest.codec.panics import refused
from ingest.codec.texts import is_provable, parse_texts
from lake.catalog import arrow_type
from lake.types import Decimal, Field, FieldType, ListOf, Primitive, Struct

_END = "__end"
_RECORDS_PER_LOOK = 5  # while bad records are searched for: with more looks reading row by row is no slower
_NULL = Scalar(physical="null")
_LONG = pa.int64()
_YEAR_1 = -62_135_596_800_000_000  # microseconds of 0001-01-01T00:00:00Z
_YEAR_9999_END = 253_402_300_799_999_999
_DAY_1, _DAY_LAST = -719_162, 2_932_896
_UNITS = {"millis": 1_000, "micros": 1}
_AS = {"int": "long", "bytes": "string"}


class _SlowError(Exception):
    """A value needs the slow path."""


class FastAvro:
    """Decode blocks of payloads that one schema wrote; `usable` tells whether it can."""

    def __init__(self, fields: tuple[Field, ...], fits: tuple[Fit, ...], root: AvroType) -> None:
        self._fits = fits
        self._row_schema = row_schema(fields)
        self.usable = isinstance(root, Record) and _is_fast(root) and all(map(_is_provable, fits))
        self._end, self._mark = _random_end()
        if self.usable:
            assert isinstance(root, Record)
            self._texts = [(name, kind) for name, kind in root.fields if _has_text(kind)]
            self._schemas = {skip: _schema_text(root, skip) for skip in (0, SIZE)}

    def decode(self, payloads: Sequence[bytes], *, skip: int) -> pa.Table | None:
        """Return the rows of payloads, in their order; None when one of them needs the slow path."""
        batch = self._read(self._longer(payloads), skip)
        if batch is None:
            return None
        try:
            for name, kind in self._texts:
                _check_texts(batch.column(name), kind)
            columns = [
                _column(batch.column(fit.name), fit)
                if fit.source is not None
                else pa.nulls(batch.num_rows, arrow_type(fit.kind))
                for fit in self._fits
            ]
            return pa.Table.from_arrays(columns, schema=self._row_schema)
        except (_SlowError, pa.ArrowInvalid):
            return None

    def search(self, payloads: Sequence[bytes], *, skip: int) -> list[int]:
        """Return the places of records whose bytes the schema does not fit, found by halving; [] for many."""
        longer, found = self._longer(payloads), []
        spans, left = [(0, len(longer))], len(longer) // _RECORDS_PER_LOOK
        while spans:
            if not left:
                return []
            left -= 1
            begin, end = spans.pop()
            if self._read(longer[begin:end], skip) is not None:
                continue
            if end - begin == 1:
                found.append(begin)
                continue
            middle = (begin + end) // 2
            spans += [(middle, end), (begin, middle)]
        return found

    def _longer(self, payloads: Sequence[bytes]) -> list[bytes]:
        end = self._end
        return [payload + end for payload in payloads]

    def _read(self, longer: Sequence[bytes], skip: int) -> pa.RecordBatch | None:
        """Read records by the library; None when one of them is none of the schema's, or more than one."""
        batch = refused(lambda: pyruhvro.deserialize_array(longer, self._schemas[skip]))
        if batch is None or batch.num_rows != len(longer):
            return None
        return batch if _are_all(batch.column(_END).view(_LONG), self._mark) else None


def _random_end() -> tuple[bytes, int]:
    """Return eight bytes that are a finite double, and the same as a long: nobody can write them ahead."""
    while True:
        end = os.urandom(8)
        if end[7] & 0x7F not in {0x7F, 0x00}:
            return end, struct.unpack("<q", end)[0]


def _are_all(values: pa.Array, wanted: int) -> bool:
    bounds = pc.min_max(values).as_py()
    return bool(bounds["min"] == bounds["max"] == wanted)


def _is_fast(kind: AvroType) -> bool:
    """Tell whether the library reads every value of a type as the slow path does."""
    match kind:
        case Scalar():
            return kind.physical not in {"fixed", "null"}
        case Record():
            names = [name for name, _ in kind.fields]
            return (
                bool(names) and len(set(names)) == len(names) and all(_is_fast(own) for _, own in kind.fields)
            )
        case Array():
            return _is_fast(kind.items)
        case Union():
            others = [branch for branch in kind.branches if branch != _NULL]
            return len(others) == 1 and len(kind.branches) == 2 and _is_fast(others[0])
    return False  # maps: repeated keys; Again: no end


def _is_provable(fit: Fit) -> bool:
    """Tell whether a column's values can be checked and converted as columns."""
    match fit.source:
        case None:
            return True
        case Scalar():
            if fit.source.physical == "string":
                return is_provable(fit.kind)
            return fit.source.logical == "decimal" or not isinstance(fit.kind, Decimal)
        case Record() | Array():
            return all(map(_is_provable, fit.parts))
    return False


def _schema_text(root: Record, skip: int) -> str:
    """Return the schema that the library reads by; the frame's five bytes are a boolean and a float."""
    names = iter(f"T{number}" for number in range(10**6))
    fields = [{"name": name, "type": _as_read(kind, names)} for name, kind in root.fields]
    before = [{"name": "__zero", "type": "boolean"}, {"name": "__id", "type": "float"}] if skip else []
    after = [{"name": _END, "type": "double"}]
    return json.dumps({"type": "record", "name": "R", "fields": [*before, *fields, *after]})


def _as_read(kind: AvroType, names: Any) -> Any:
    match kind:
        case Scalar():
            if kind.physical == "enum":
                return {"type": "enum", "name": next(names), "symbols": list(kind.symbols)}
            return _AS.get(kind.physical, kind.physical)
        case Record():
            fields = [{"name": name, "type": _as_read(own, names)} for name, own in kind.fields]
            return {"type": "record", "name": next(names), "fields": fields}
        case Array():
            return {"type": "array", "items": _as_read(kind.items, names)}
        case Union():
            return [_as_read(branch, names) for branch in kind.branches]
    raise AssertionError(kind)


def _has_text(kind: AvroType) -> bool:
    match kind:
        case Record():
            return any(_has_text(own) for _, own in kind.fields)
        case Array():
            return _has_text(kind.items)
        case Union():
            return any(map(_has_text, kind.branches))
    return isinstance(kind, Scalar) and kind.physical == "string"


def _check_texts(found: pa.Array, kind: AvroType) -> None:
    """Refuse a text that is no UTF-8, also where no column asks for it: the slow path reads it all."""
    match kind:
        case Scalar(physical="string"):
            found.validate(full=True)
        case Record():
            for name, own in kind.fields:
                _check_texts(found.field(name), own)
        case Array():
            _check_texts(found.values, kind.items)
        case Union():
            for branch in kind.branches:
                _check_texts(found, branch)


def _column(found: pa.Array, fit: Fit) -> pa.Array:
    """Check and convert one column, or one part of it; raises _SlowError."""
    if fit.source is None:
        return pa.nulls(len(found), arrow_type(fit.kind))
    if isinstance(fit.source, Scalar) and fit.source.physical == "string":
        return _text(found, fit.kind)
    match fit.kind:
        case Struct():
            return _struct(found, fit)
        case ListOf():
            return _list(found, fit)
        case Decimal():
            assert isinstance(fit.source, Scalar)
            values = to_decimals(found.view(pa.binary()), fit.source.scale, fit.kind)
            if values is None:
                raise _SlowError
            return values
    assert isinstance(fit.source, Scalar)
    assert isinstance(fit.kind, Primitive)
    return _primitive(found, fit.kind, fit.source)


def _text(found: pa.Array, kind: FieldType) -> pa.Array:
    values = parse_texts(found, kind)
    if values is None:
        raise _SlowError
    return values


def _struct(found: pa.Array, fit: Fit) -> pa.Array:
    own = {name: found.field(name) for name in found.type.names} if len(found.type.names) else {}
    parts = [
        _column(own[part.name], part)
        if part.source is not None
        else pa.nulls(len(found), arrow_type(part.kind))
        for part in fit.parts
    ]
    mask = found.is_null() if found.null_count else None
    return pa.StructArray.from_arrays(parts, fields=list(arrow_type(fit.kind)), mask=mask)


def _list(found: pa.Array, fit: Fit) -> pa.Array:
    items = _column(found.values, fit.parts[0])
    mask = found.is_null() if found.null_count else None
    return pa.ListArray.from_arrays(found.offsets, items, type=arrow_type(fit.kind), mask=mask)


def _primitive(found: pa.Array, kind: Primitive, source: Scalar) -> pa.Array:
    if source.physical == "int":
        _within(found, -(2**31), 2**31 - 1)
    match kind:
        case Primitive.STRING:
            return found
        case Primitive.BINARY:
            return found.view(pa.binary())
        case Primitive.DOUBLE:
            numbers = found.cast(pa.float64())
            if pc.all(pc.is_finite(numbers)).as_py() is False:
                raise _SlowError
            return numbers
        case Primitive.DATE:
            _within(found, _DAY_1, _DAY_LAST)
            return found.cast(pa.int32()).cast(pa.date32())
        case Primitive.TIMESTAMP | Primitive.TIMESTAMPTZ:
            return _times(found, kind, source.logical)
        case Primitive.INT:
            _within(found, -(2**31), 2**31 - 1)
    return found.cast(arrow_type(kind))


def _times(found: pa.Array, kind: Primitive, logical: str) -> pa.Array:
    unit = logical.rsplit("-", 1)[1]
    if unit == "nanos":
        whole = pc.divide(found, 1_000)  # towards zero
        below = pc.less(found, pc.multiply(whole, 1_000))
        return pc.subtract(whole, below.cast(pa.int64())).cast(arrow_type(kind))
    factor = _UNITS[unit]
    _within(found, -(-_YEAR_1 // factor), _YEAR_9999_END // factor)
    return (pc.multiply(found, factor) if factor > 1 else found).cast(arrow_type(kind))


def _within(found: pa.Array, low: int, high: int) -> None:
    bounds = pc.min_max(found).as_py()
    if bounds["min"] is not None and not (low <= bounds["min"] and bounds["max"] <= high):
        raise _SlowError

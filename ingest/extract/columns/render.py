"""Rows as JSON: what a typed row means, and what quarantine keeps of it.

numbers         as they are; where the contract wants an integer one without fraction is written as such;
                a float that is not finite is a text
times           ISO 8601, those with a zone in UTC; without one they are in the `zone` of their source
dates           YYYY-MM-DD, also midnights where the contract wants a date
binary          Base64
cells of CSV    texts; numbers, booleans and nested JSON where the contract wants them and the text is one
no UTF-8        an object with the bytes in Base64, which no column takes for its own
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal as Number
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?", re.ASCII)
_INTEGERS = (Primitive.INT, Primitive.LONG)


def render_rows(rows: pa.Table, fields: Sequence[Field], *, cells: bool, zone: str) -> list[bytes]:
    """Return each row as a JSON object with all its columns, also those that the contract doesn't know."""
    kinds = {field.name: field.type for field in fields}
    columns = [
        list(_column(rows.column(name), kinds.get(name), cells=cells, zone=zone))
        for name in rows.column_names
    ]
    return [
        msgspec.json.encode(dict(zip(rows.column_names, row, strict=True)))
        for row in zip(*columns, strict=True)
    ]


def _column(column: pa.ChunkedArray, kind: FieldType | None, *, cells: bool, zone: str) -> Iterator[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        for raw in column.cast(pa.large_binary()).to_pylist():
            yield _text(raw, kind, cells=cells, zone=zone)
        return
    for scalar in column:
        try:
            yield _plain(scalar.as_py(), kind, zone)
        except (UnicodeDecodeError, ValueError, OverflowError):  # texts inside, or years Python doesn't know
            yield {"unreadable": str(column.type)}


def _text(raw: bytes | None, kind: FieldType | None, *, cells: bool, zone: str) -> Any:
    if raw is None:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"no UTF-8": base64.b64encode(raw).decode()}
    return _cell(text, kind, zone) if cells else text


def _cell(text: str, kind: FieldType | None, zone: str) -> Any:
    match kind:
        case Primitive.INT | Primitive.LONG | Primitive.DOUBLE | Decimal() if _NUMBER.fullmatch(text):
            return msgspec.Raw(text.encode())
        case Primitive.BOOLEAN if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case Primitive.TIMESTAMPTZ if zone and _NAIVE.fullmatch(text):
            return _in_zone(text, zone)
        case Struct() | ListOf() | MapOf():
            return _document(text)
    return text


def _document(text: str) -> Any:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return msgspec.Raw(text.encode())


def _plain(value: Any, kind: FieldType | None, zone: str) -> Any:
    """Return a value as msgspec encodes it, by its own type; the contract's decides about dates."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return _float(value, kind)
        case Number():
            return msgspec.Raw(_number(value, kind).encode()) if value.is_finite() else str(value)
        case datetime():
            return _moment(value, kind, zone)
        case date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            members = {f.name: f.type for f in kind.fields} if isinstance(kind, Struct) else {}
            return {name: _plain(member, members.get(name), zone) for name, member in value.items()}
        case list() if isinstance(kind, MapOf) and all(isinstance(pair, tuple) for pair in value):
            return {str(_plain(name, kind.key, zone)): _plain(v, kind.value, zone) for name, v in value}
        case list() | tuple():
            element = kind.element if isinstance(kind, ListOf) else None
            return [_plain(item, element, zone) for item in value]
    return str(value)


def _float(value: float, kind: FieldType | None) -> Any:
    if not math.isfinite(value):
        return str(value)
    return int(value) if kind in _INTEGERS and value.is_integer() else value


def _number(value: Number, kind: FieldType | None) -> str:
    if kind in _INTEGERS and value == value.to_integral_value():
        return format(value.to_integral_value(), "f")
    return format(value, "f")


def _moment(value: datetime, kind: FieldType | None, zone: str) -> str:
    if value.tzinfo is None and kind is Primitive.TIMESTAMPTZ and zone:
        return _in_zone(value.isoformat(), zone)
    if value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if kind is Primitive.DATE and value.time() == time():
        return value.date().isoformat()
    return value.isoformat()


def _in_zone(text: str, zone: str) -> str:
    """Return a local time in UTC; one that its zone has twice or never stays as it is, without a zone."""
    naive = datetime.fromisoformat(text)
    here = ZoneInfo(zone)
    instants = {naive.replace(tzinfo=here, fold=fold).astimezone(UTC) for fold in (0, 1)}
    if len(instants) != 1:
        return text
    return instants.pop().replace(tzinfo=None).isoformat() + "Z"

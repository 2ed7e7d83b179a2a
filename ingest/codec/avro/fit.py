"""How the columns of a contract are filled from records of a writer's schema, decided once per schema.

Columns and fields are matched by name. A column whose field is missing is null, a field without column
is left out. What may become what:

boolean      boolean
int, long    int, long (within the column's range)
double       double, float, long, int; finite
decimal      decimal (exactly), int, long, or a string that holds a number
string       string, enum
binary       bytes, fixed
date         date, or a string as in JSON
timestamptz  timestamp-millis, -micros, -nanos (down to a microsecond), or a string as in JSON
timestamp    the same of local-timestamp
struct       record; list: array; map: map. A union with null is the same and may be null
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.codec.avro.schema import Array, AvroType, Map, Record, Scalar, Union
from ingest.codec.misfits import Misfits, no_record
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_WHOLE = frozenset({"int", "long"})
_PHYSICAL = {
    Primitive.BOOLEAN: frozenset({"boolean"}),
    Primitive.INT: _WHOLE,
    Primitive.LONG: _WHOLE,
    Primitive.DOUBLE: frozenset({"int", "long", "float", "double"}),
    Primitive.STRING: frozenset({"string", "enum"}),
    Primitive.BINARY: frozenset({"bytes", "fixed"}),
}
_LOGICAL = {
    Primitive.DATE: frozenset({"date"}),
    Primitive.TIMESTAMPTZ: frozenset({"timestamp-millis", "timestamp-micros", "timestamp-nanos"}),
    Primitive.TIMESTAMP: frozenset(
        {"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"}
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A column, or a part of one, and what it is filled from; `source` is None when there is nothing."""

    name: str
    kind: FieldType
    source: AvroType | None
    parts: tuple[Fit, ...] = ()  # members of a struct, the element of a list, the value of a map


def fit_fields(fields: tuple[Field, ...], root: AvroType) -> tuple[Fit, ...]:
    """Decide for every column; raises SchemaMisfitError with a reason per column that can't be filled."""
    if not isinstance(root, Record):
        raise no_record()
    misfits = Misfits()
    fits = _members(fields, root, "", misfits)
    misfits.check()
    return fits


def _members(fields: tuple[Field, ...], record: Record, parent: str, misfits: Misfits) -> tuple[Fit, ...]:
    return tuple(_fit(f.name, f.type, record.field(f.name), f"{parent}{f.name}", misfits) for f in fields)


def _fit(name: str, kind: FieldType, found: AvroType | None, path: str, misfits: Misfits) -> Fit:
    source = _without_null(found)
    if source is None:
        return Fit(name=name, kind=kind, source=None)
    match kind, source:
        case (Struct(), Record()):
            parts = _members(kind.fields, source, f"{path}.", misfits)
            return Fit(name=name, kind=kind, source=source, parts=parts)
        case (ListOf(), Array()):
            part = _fit("", kind.element, source.items, f"{path}[]", misfits)
            return Fit(name=name, kind=kind, source=source, parts=(part,))
        case (MapOf(key=Primitive.STRING), Map()):
            part = _fit("", kind.value, source.values, path, misfits)
            return Fit(name=name, kind=kind, source=source, parts=(part,))
        case (Primitive() | Decimal(), Scalar()) if _becomes(source, kind):
            return Fit(name=name, kind=kind, source=source)
    misfits.add(path, _show(source), kind)
    return Fit(name=name, kind=kind, source=None)


def _without_null(kind: AvroType | None) -> AvroType | None:
    """Return what a union with null holds besides; a field that can only be null is none."""
    if isinstance(kind, Union):
        others = tuple(b for b in kind.branches if b != Scalar(physical="null"))
        return others[0] if len(others) == 1 else kind if others else None
    return None if kind == Scalar(physical="null") else kind


def _becomes(source: Scalar, kind: Primitive | Decimal) -> bool:
    if isinstance(kind, Decimal):
        return source.logical == "decimal" or source.physical in _WHOLE | {"string"}
    if kind in _LOGICAL:
        return source.logical in _LOGICAL[kind] or source.physical == "string"
    return source.physical in _PHYSICAL[kind]


def _show(source: AvroType) -> str:
    match source:
        case Scalar():
            return f"{source.physical} {source.logical}".strip()
        case Union():
            return f"a union of {len(source.branches)} types"
    return f"a {type(source).__name__.lower()}"

"""Which values of one type can be read as another, as Avro resolves schemas, and whether a table can follow.

The same as Confluent's registry decides for Avro, with two differences: logical types must agree (the
registry reads a date as a number without a word), and a decimal may gain precision but never change its
scale (the registry lets 12.34 become 1.234).
"""

from __future__ import annotations

from enum import Enum

from lake.types import Decimal, FieldType, ListOf, MapOf, Primitive, Struct


class Reading(Enum):
    """What becomes of values when the type of a column changes."""

    SAME = "same"
    WIDER = "wider"  # old values are read as new ones, and Iceberg promotes the column
    PROMOTED = "promoted"  # old values are read as new ones, but no table follows
    NARROWER = "narrower"  # new values are read as old ones
    EITHER = "either"  # both, but no table follows
    NEITHER = "neither"


_WIDER = {(Primitive.INT, Primitive.LONG)}
_PROMOTED = {(Primitive.INT, Primitive.DOUBLE), (Primitive.LONG, Primitive.DOUBLE)}
_EITHER = {(Primitive.STRING, Primitive.BINARY), (Primitive.BINARY, Primitive.STRING)}


def reading(old: FieldType, new: FieldType) -> Reading:
    """Compare two types that are no objects, arrays or maps of the same kind; those are compared inside."""
    if old == new:
        return Reading.SAME
    if isinstance(old, Decimal) and isinstance(new, Decimal) and old.scale == new.scale:
        return Reading.WIDER if new.precision > old.precision else Reading.NARROWER
    if not (isinstance(old, Primitive) and isinstance(new, Primitive)):
        return Reading.NEITHER
    pair = (old, new)
    if pair in _WIDER:
        return Reading.WIDER
    if pair in _PROMOTED:
        return Reading.PROMOTED
    if pair in _EITHER:
        return Reading.EITHER
    if pair[::-1] in _WIDER | _PROMOTED:
        return Reading.NARROWER
    return Reading.NEITHER


def type_name(kind: FieldType) -> str:
    """Return a type as messages write it."""
    match kind:
        case Primitive():
            return kind.value
        case Decimal():
            return f"decimal({kind.precision},{kind.scale})"
        case Struct():
            return "object"
        case ListOf():
            return f"array of {type_name(kind.element)}"
        case MapOf():
            return f"map of {type_name(kind.value)}"

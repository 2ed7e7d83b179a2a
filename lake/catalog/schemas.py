"""Neutral fields to Iceberg and Arrow schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_ICEBERG: dict[Primitive, IcebergType] = {
    Primitive.BOOLEAN: BooleanType(),
    Primitive.INT: IntegerType(),
    Primitive.LONG: LongType(),
    Primitive.DOUBLE: DoubleType(),
    Primitive.STRING: StringType(),
    Primitive.BINARY: BinaryType(),
    Primitive.DATE: DateType(),
    Primitive.TIMESTAMP: TimestampType(),
    Primitive.TIMESTAMPTZ: TimestamptzType(),
}
_ARROW: dict[Primitive, pa.DataType] = {
    Primitive.BOOLEAN: pa.bool_(),
    Primitive.INT: pa.int32(),
    Primitive.LONG: pa.int64(),
    Primitive.DOUBLE: pa.float64(),
    Primitive.STRING: pa.string(),
    Primitive.BINARY: pa.binary(),
    Primitive.DATE: pa.date32(),
    Primitive.TIMESTAMP: pa.timestamp("us"),
    Primitive.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
}
_FIELD_ID = b"PARQUET:field_id"


def iceberg_schema(fields: Iterable[Field]) -> Schema:
    """Return the schema; ids are given in order, level by level, as the catalog would give them."""
    ids = count(1)
    return Schema(*iceberg_fields(fields, ids))


def arrow_type(kind: FieldType) -> pa.DataType:
    """Return the Arrow type that holds the values of a neutral type."""
    match kind:
        case Primitive():
            return _ARROW[kind]
        case Decimal():
            return pa.decimal128(kind.precision, kind.scale)
        case Struct():
            return pa.struct([arrow_field(f) for f in kind.fields])
        case ListOf():
            return pa.list_(arrow_type(kind.element))
        case MapOf():
            return pa.map_(arrow_type(kind.key), arrow_type(kind.value))


def arrow_field(field: Field) -> pa.Field:
    return pa.field(field.name, arrow_type(field.type), nullable=not field.required)


def arrow_schema(fields: Iterable[Field]) -> pa.Schema:
    """Return the Arrow schema that rows of a table with these columns have."""
    return pa.schema([arrow_field(f) for f in fields])


def file_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of a table's data files: every column with its Iceberg field id."""
    return pa.schema([_file_field(f) for f in schema.fields])


def differences(existing: Schema, wanted: Iterable[Field]) -> Iterator[str]:
    """Yield a line per column of `wanted` that the table lacks or holds with another type."""
    yield from _struct_differences(existing.as_struct(), StructType(*iceberg_fields(wanted, count(1))), "")


def iceberg_fields(fields: Iterable[Field], ids: Iterator[int]) -> list[NestedField]:
    """Return the columns of a schema or struct; a table gives ids of its own when it takes them in."""
    numbered = [(next(ids), field) for field in fields]
    return [
        NestedField(
            field_id=number,
            name=field.name,
            field_type=_iceberg_type(field.type, ids),
            required=field.required,
            doc=field.description or None,
        )
        for number, field in numbered
    ]


def _iceberg_type(kind: FieldType, ids: Iterator[int]) -> IcebergType:
    match kind:
        case Primitive():
            return _ICEBERG[kind]
        case Decimal():
            return DecimalType(kind.precision, kind.scale)
        case Struct():
            return StructType(*iceberg_fields(kind.fields, ids))
        case ListOf():
            number = next(ids)
            return ListType(
                element_id=number, element=_iceberg_type(kind.element, ids), element_required=False
            )
        case MapOf():
            key, value = next(ids), next(ids)
            return MapType(
                key_id=key,
                key_type=_iceberg_type(kind.key, ids),
                value_id=value,
                value_type=_iceberg_type(kind.value, ids),
                value_required=False,
            )


def _file_field(field: NestedField) -> pa.Field:
    return pa.field(
        field.name,
        _file_type(field.field_type),
        nullable=not field.required,
        metadata={_FIELD_ID: str(field.field_id).encode()},
    )


def _file_type(kind: IcebergType) -> pa.DataType:
    match kind:
        case StructType():
            return pa.struct([_file_field(f) for f in kind.fields])
        case ListType():
            return pa.list_(_file_field(kind.element_field))
        case MapType():
            return pa.map_(_file_field(kind.key_field), _file_field(kind.value_field))
        case DecimalType():
            return pa.decimal128(kind.precision, kind.scale)
        case FixedType():
            return pa.binary(len(kind))
        case _ if kind in _NEUTRAL:
            return _ARROW[_NEUTRAL[kind]]
        case _:
            return _ENGINES_ONLY[kind]


# What tables of models may hold and contracts don't know.
_ENGINES_ONLY: dict[IcebergType, pa.DataType] = {
    FloatType(): pa.float32(),
    TimeType(): pa.time64("us"),
    UUIDType(): pa.uuid(),
}
_NEUTRAL: dict[IcebergType, Primitive] = {iceberg: neutral for neutral, iceberg in _ICEBERG.items()}


def _struct_differences(existing: StructType, wanted: StructType, prefix: str) -> Iterator[str]:
    present = {f.name: f for f in existing.fields}
    for field in wanted.fields:
        path, own = prefix + field.name, present.get(field.name)
        if own is None:
            yield f"{path} is missing"
        elif isinstance(own.field_type, StructType) and isinstance(field.field_type, StructType):
            yield from _struct_differences(own.field_type, field.field_type, f"{path}.")
        elif str(own.field_type) != str(field.field_type) and not same_shape(
            own.field_type, field.field_type
        ):
            yield f"{path} is {own.field_type}, not {field.field_type}"
        elif own.required and not field.required:
            yield f"{path} is required in the table and optional in the contract"


def same_shape(one: IcebergType, other: IcebergType) -> bool:
    """Compare lists and maps by what they hold: their ids differ from table to table."""
    if isinstance(one, ListType) and isinstance(other, ListType):
        return same_shape(one.element_type, other.element_type)
    if isinstance(one, MapType) and isinstance(other, MapType):
        return same_shape(one.key_type, other.key_type) and same_shape(one.value_type, other.value_type)
    if isinstance(one, StructType) and isinstance(other, StructType):
        return not list(_struct_differences(one, other, "")) and len(one.fields) == len(other.fields)
    return one == other

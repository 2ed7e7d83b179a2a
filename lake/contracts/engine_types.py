"""Neutral types as DuckDB writes them."""

from __future__ import annotations

from lake.types import Decimal, FieldType, ListOf, MapOf, Primitive, Struct, quote_identifier

_DUCKDB = {
    Primitive.BOOLEAN: "BOOLEAN",
    Primitive.INT: "INTEGER",
    Primitive.LONG: "BIGINT",
    Primitive.DOUBLE: "DOUBLE",
    Primitive.STRING: "VARCHAR",
    Primitive.BINARY: "BLOB",
    Primitive.DATE: "DATE",
    Primitive.TIMESTAMP: "TIMESTAMP",
    Primitive.TIMESTAMPTZ: "TIMESTAMPTZ",
}


def duckdb_type(kind: FieldType) -> str:
    """Return a neutral type as DuckDB writes it."""
    match kind:
        case Primitive():
            return _DUCKDB[kind]
        case Decimal():
            return f"DECIMAL({kind.precision}, {kind.scale})"
        case Struct():
            members = (f"{quote_identifier(f.name)} {duckdb_type(f.type)}" for f in kind.fields)
            return f"STRUCT({', '.join(members)})"
        case ListOf():
            return f"{duckdb_type(kind.element)}[]"
        case MapOf():
            return f"MAP({duckdb_type(kind.key)}, {duckdb_type(kind.value)})"

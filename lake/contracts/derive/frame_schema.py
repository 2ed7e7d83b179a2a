"""A pandera schema for polars frames with exactly the rules that landing checks.

Pandera's and polars' own comparisons see some values otherwise (NaN is above every bound, expressions
match by another engine), so each check of the schema asks `checks.find_violations`.
"""

from __future__ import annotations

from typing import Any

import pandera.polars as pandera
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lake.contracts.checks import find_violations
from lake.contracts.contract import Contract, Rule
from lake.types import Decimal, FieldType, ListOf, MapOf, Primitive, Struct

_PRIMITIVES: dict[Primitive, Any] = {
    Primitive.BOOLEAN: pl.Boolean(),
    Primitive.INT: pl.Int32(),
    Primitive.LONG: pl.Int64(),
    Primitive.DOUBLE: pl.Float64(),
    Primitive.STRING: pl.String(),
    Primitive.BINARY: pl.Binary(),
    Primitive.DATE: pl.Date(),
    Primitive.TIMESTAMP: pl.Datetime("us"),
    Primitive.TIMESTAMPTZ: pl.Datetime("us", "UTC"),
}


def frame_schema(contract: Contract) -> pandera.DataFrameSchema:
    """Return a schema for frames with the contract's columns; validate with `lazy=True` to see all failures.

    Failing rules have the names that quarantine uses, with the path for members of objects. Other columns
    are left alone; duplicates of the primary key are no rule of a record and not looked for.
    """
    by_column: dict[str, list[Rule]] = {}
    for rule in contract.rules:
        by_column.setdefault(rule.path.split(".", maxsplit=1)[0], []).append(rule)
    columns = {
        field.name: pandera.Column(
            polars_type(field.type),
            checks=[_check(rule) for rule in by_column.get(field.name, ())],
            nullable=True,  # `required` is one of the checks
            required=field.required,
        )
        for field in contract.fields
    }
    return pandera.DataFrameSchema(columns, name=contract.stream, strict=False)


def polars_type(kind: FieldType) -> Any:
    """Return the polars type that holds the values of a neutral type; a map is a list of pairs."""
    match kind:
        case Primitive():
            return _PRIMITIVES[kind]
        case Decimal():
            return pl.Decimal(kind.precision, kind.scale)
        case Struct():
            return pl.Struct({f.name: polars_type(f.type) for f in kind.fields})
        case ListOf():
            return pl.List(polars_type(kind.element))
        case MapOf():
            return pl.List(pl.Struct({"key": polars_type(kind.key), "value": polars_type(kind.value)}))


def _check(rule: Rule) -> pandera.Check:
    column = rule.path.split(".", maxsplit=1)[0]

    def mark(values: pl.Series) -> pl.Series:
        broken = find_violations(pa.table({column: values.to_arrow()}), [rule])
        good = pc.invert(broken[0].rows) if broken else pa.repeat(pa.scalar(value=True), len(values))
        return pl.Series(column, good)

    def passes(data: Any) -> pl.LazyFrame:
        frame: pl.LazyFrame = data.lazyframe.select(
            pl.col(column).map_batches(mark, return_dtype=pl.Boolean())
        )
        return frame

    name = rule.name if rule.path == column else f"{rule.name}:{rule.path}"
    return pandera.Check(passes, name=name, ignore_na=False)

"""One view over two major versions of a stream: the rows of the newer, and the older's as if they were.

`raw.orders_v2_all` is `raw.orders_v2`, and `raw.orders` with each column by its `migration`: an expression
of DuckDB's SQL over a row of the version before. A column without one is the column of that name, or null
where it may be. The next major version builds on this view, so the newest one always has all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lake.contracts.contract import Contract
from lake.contracts.engine_types import duckdb_type
from lake.contracts.evolution.types import Reading, reading, type_name
from lake.contracts.landing import META
from lake.errors import first_line
from lake.types import Field, FieldType, ListOf, MapOf, Struct, TableName, quote_identifier

SUFFIX = "_all"
_DIALECTS = ("duckdb", "trino")


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """The view that unites a version with the ones before; `older` is a table, or the view before."""

    stream: str
    older: str
    columns: tuple[tuple[Field, str], ...]  # each column and its expression over a row of `older`

    @property
    def name(self) -> str:
        return self.stream + SUFFIX

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*(field for field, _ in self.columns), META)

    def sql(self, schema: str) -> dict[str, str]:
        """Return the query by dialect; `schema` holds the tables."""
        newer = ", ".join(quote_identifier(field.name) for field, _ in self.columns)
        older = ", ".join(f"{text} AS {quote_identifier(field.name)}" for field, text in self.columns)
        own, before = (TableName(schema=schema, name=name).quoted for name in (self.stream, self.older))
        # Names are quoted; the expressions are the contract's own, checked by `migration_problems`.
        text = f"SELECT {newer}, meta FROM {own} UNION ALL SELECT {older}, meta FROM {before}"  # noqa: S608
        query = sqlglot.parse_one(text, dialect="duckdb")
        return {dialect: query.sql(dialect=dialect) for dialect in _DIALECTS}


def find_predecessor(contract: Contract, contracts: Sequence[Contract]) -> Contract | None:
    """Return the newest older major version of a contract."""
    older = [c for c in contracts if c.family == contract.family and c.major < contract.major]
    return max(older, key=lambda c: c.major, default=None)


def unite(contract: Contract, contracts: Sequence[Contract]) -> Union | None:
    """Return the view over a version and those before; None for a first version and for changelogs.

    A key that changed in both versions of a changelog has no newest row that a view could tell.
    """
    before = find_predecessor(contract, contracts)
    if before is None or contract.is_changelog or before.is_changelog:
        return None
    older = before.stream + SUFFIX if unite(before, contracts) else before.stream
    columns = tuple((field, _expression(field, contract, before)) for field in contract.fields)
    return Union(stream=contract.stream, older=older, columns=columns)


def migration_problems(contract: Contract, contracts: Sequence[Contract]) -> Iterator[str]:
    """Yield what keeps a version from showing the rows of the one before, column by column."""
    before = find_predecessor(contract, contracts)
    if before is None:
        if contract.migration:
            column = contract.migration[0][0]
            yield f"{column} has a migration, but there is no version before {contract.version}"
        return
    given, old = dict(contract.migration), {f.name: f for f in before.fields}
    for field in contract.fields:
        if field.name in given:
            yield from _wrong_expression(field.name, given[field.name], before)
        elif field.name not in old:
            if field.required:
                yield (
                    f"{field.name} is required and not in {before.version}: give it a migration,"
                    " SQL over a row of that version"
                )
        elif not _castable(old[field.name].type, field.type):
            yield (
                f"{field.name} was {type_name(old[field.name].type)} in {before.version} and is"
                f" {type_name(field.type)}: give it a migration"
            )


def _expression(field: Field, contract: Contract, before: Contract) -> str:
    given, old = dict(contract.migration), {f.name: f for f in before.fields}
    target = duckdb_type(field.type)
    if field.name in given:
        return f"CAST({given[field.name]} AS {target})"
    if field.name not in old:
        return f"CAST(NULL AS {target})"
    name = quote_identifier(field.name)
    return name if _alike(old[field.name].type, field.type) else f"CAST({name} AS {target})"


def _castable(old: FieldType, new: FieldType) -> bool:
    return _alike(old, new) or reading(old, new) in {Reading.WIDER, Reading.PROMOTED}


def _alike(old: FieldType, new: FieldType) -> bool:
    """Compare types by their shape: `required` and descriptions inside make no other column."""
    match old, new:
        case Struct(), Struct():
            mine, other = old.fields, new.fields
            return [f.name for f in mine] == [f.name for f in other] and all(
                _alike(a.type, b.type) for a, b in zip(mine, other, strict=True)
            )
        case ListOf(), ListOf():
            return _alike(old.element, new.element)
        case MapOf(), MapOf():
            return _alike(old.key, new.key) and _alike(old.value, new.value)
    return old == new


def _wrong_expression(column: str, text: str, before: Contract) -> Iterator[str]:
    try:
        parsed = sqlglot.parse_one(f"SELECT {text}", dialect="duckdb")
    except SqlglotError as error:
        yield f"{column}: the migration {text!r} is no SQL ({first_line(error)})"
        return
    query = parsed if isinstance(parsed, exp.Select) else None
    if (
        query is None
        or len(query.expressions) != 1
        or list(query.find_all(exp.Table, exp.Subquery, exp.Star))
    ):
        yield f"{column}: the migration {text!r} is not one expression over a row"
        return
    known = set(before.columns)
    for name in sorted({c.parts[0].name for c in query.find_all(exp.Column)} - known):
        yield f"{column}: the migration names {name}, which {before.stream} {before.version} does not have"

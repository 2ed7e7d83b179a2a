"""Which columns of which tables a model's query reads, and which of its own columns come of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

ROWS = ""  # a use that decides which rows there are, not what one column holds
ANY = "*"  # a model in Python reads whatever it likes


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ColumnUse:
    """`reader` reads `column` of `source` for its own column `output`, or for which rows it has (ROWS)."""

    source: str
    column: str
    reader: str
    output: str


_Found = frozenset[tuple[str, str]]
_NONE: _Found = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traced:
    """What the columns of a query come from, in their order, and what its rows depend on."""

    outputs: Mapping[str, _Found]
    rows: _Found


def column_uses(query: exp.Query, reader: str) -> Iterator[ColumnUse]:
    """Yield the uses of a query whose columns are qualified, as SQLMesh renders it; sorted."""
    scope = build_scope(query)
    if scope is None:
        return
    traced = _trace(scope, {})
    found = {(place, name) for name, places in traced.outputs.items() for place in places}
    found |= {(place, ROWS) for place in traced.rows}
    for (source, column), output in sorted(found):
        yield ColumnUse(source=source, column=column, reader=reader, output=output)


def _trace(scope: Scope, done: dict[int, _Traced]) -> _Traced:
    """Trace a scope once, however many read it: chains of CTEs have exponentially many paths."""
    if id(scope) not in done:
        trace = _trace_union if scope.union_scopes else _trace_select
        done[id(scope)] = trace(scope, done)
    return done[id(scope)]


def _trace_union(scope: Scope, done: dict[int, _Traced]) -> _Traced:
    parts = [_trace(part, done) for part in scope.union_scopes]
    names = list(parts[0].outputs)
    by_place = zip(*(list(part.outputs.values()) for part in parts), strict=False)
    merged = [_NONE.union(*same) for same in by_place]
    rows = _NONE.union(*(part.rows for part in parts))
    return _Traced(outputs=dict(zip(names, merged, strict=False)), rows=rows)


def _trace_select(scope: Scope, done: dict[int, _Traced]) -> _Traced:
    below = {name: _trace(s, done) for name, s in scope.sources.items() if isinstance(s, Scope)}
    tables = {name: _table(s) for name, s in scope.sources.items() if isinstance(s, exp.Table)}
    outputs: dict[str, _Found] = {}
    seen: set[int] = set()
    projections: list[exp.Expression] = scope.expression.selects  # type: ignore[attr-defined]
    for projection in projections:
        columns = list(projection.find_all(exp.Column))
        seen |= {id(column) for column in columns}
        outputs[projection.alias_or_name] = _resolve(columns, below, tables)
    rows = _resolve((c for c in scope.columns if id(c) not in seen), below, tables)
    rows |= _NONE.union(*(traced.rows for name, traced in below.items() if name in scope.selected_sources))
    for inner in scope.subquery_scopes:
        traced = _trace(inner, done)
        rows |= traced.rows.union(*traced.outputs.values())
    return _Traced(outputs=outputs, rows=rows)


def _resolve(
    columns: Iterable[exp.Column], below: Mapping[str, _Traced], tables: Mapping[str, str]
) -> _Found:
    found: set[tuple[str, str]] = set()
    # SQLMesh qualifies no query that reads a table of unknown columns; with one source there is no doubt.
    only = next(iter((*below, *tables)), "") if len(below) + len(tables) == 1 else ""
    for column in columns:
        source = column.table or only
        if source in below:
            found |= below[source].outputs.get(column.name, frozenset())
        elif source in tables:
            found.add((tables[source], column.name))
    return frozenset(found)


def _table(table: exp.Table) -> str:
    return f"{table.db}.{table.name}"

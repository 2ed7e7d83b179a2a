"""Columns that a model has lost: hidden at once, dropped when no view names them any more.

Views list their columns, and a view of an environment that isn't replaced yet still names what the
model dropped; with the column gone no engine could read that view.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lake.clock import Deadline
from lake.log import get_logger
from lake.mesh import iceberg
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.open import LakeCatalog

log = get_logger("mesh")

HIDDEN = "lake.hidden-columns"


def read_hidden(value: str | None) -> frozenset[str]:
    """Return the names in a table's property."""
    return frozenset(json.loads(value)) if value else frozenset()


def write_hidden(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))


def drop_hidden(catalog: LakeCatalog, tables: Iterable[TableName], *, deadline: Deadline) -> None:
    """Drop the hidden columns of these tables, as far as no view of the catalog names them."""
    waiting = {
        name: hidden
        for name in tables
        if (state := iceberg.load_table(catalog, name))
        and (hidden := read_hidden(state.properties.get(HIDDEN)))
    }
    if not waiting:
        return
    texts = list(_view_texts(catalog))
    for name, hidden in waiting.items():
        named = {column for text in texts if name.name in text for column in _columns(text) & hidden}
        gone = hidden - named
        if gone:
            change = iceberg.Evolution(
                columns={(column,): None for column in gone}, properties={HIDDEN: write_hidden(named)}
            )
            iceberg.evolve(catalog, name, change, deadline=deadline)
            log.info("columns.dropped", table=str(name), columns=sorted(gone))


def _view_texts(catalog: LakeCatalog) -> Iterator[str]:
    for schema in iceberg.list_schemas(catalog):
        for name in iceberg.list_views(catalog, schema):
            if (view := iceberg.load_view(catalog, name)) is not None:
                yield from view.sql.values()


def _columns(text: str) -> set[str]:
    """Return the columns that a view's text names; all words of it when it can't be parsed."""
    try:
        return {column.name for column in sqlglot.parse_one(text, dialect="duckdb").find_all(exp.Column)}
    except SqlglotError:
        return set(text.replace('"', " ").replace(",", " ").split())

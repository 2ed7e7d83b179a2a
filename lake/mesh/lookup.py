"""Ask the catalog what a statement's names mean, anew for each statement: a promotion shows at once.

Names are asked about side by side, and with them what they read when they were last seen: where that
is still so, one round answers for views of any depth. What was seen earlier decides only what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlglot import exp

from lake.errors import BadInputError
from lake.mesh import iceberg
from lake.mesh.resolve import Find, ViewText, inline_views, table_name, tables_read, view_reads
from lake.mesh.travel import pin
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.open import LakeCatalog

PHYSICAL = "sqlmesh__"  # prefix of the schemas that hold SQLMesh's physical tables
_CALLERS = 8
# Physical tables found beneath a view: such a name has its fingerprint in it and never becomes a view.
_TABLES: WeakKeyDictionary[LakeCatalog, set[TableName]] = WeakKeyDictionary()
# What each view read when it was last seen.
_BENEATH: WeakKeyDictionary[LakeCatalog, dict[TableName, frozenset[TableName]]] = WeakKeyDictionary()

# What a constant expression, written in a statement, names as a moment; the caller's engine knows.
MomentOf = Callable[[exp.Expr], datetime]


class CatalogViews:
    """Find views for one statement; make a new one for the next."""

    def __init__(self, catalog: LakeCatalog) -> None:
        self._catalog = catalog
        self._tables = _TABLES.setdefault(catalog, set())
        self._beneath = _BENEATH.setdefault(catalog, {})
        self._texts: dict[TableName, ViewText | None] = {}

    def __call__(self, name: TableName) -> ViewText | None:
        self.ask([name])
        return self._texts[name]

    def ask(self, names: Iterable[TableName], *, beneath_view: bool = False) -> None:
        """Ask about the names that are not known yet, all at once."""
        given = set(names)
        asked = [name for name in self._with_beneath(given) if name not in self._texts]
        self._texts.update({name: None for name in asked if name in self._tables})
        missing = [name for name in asked if name not in self._tables]
        if len(missing) < 2:
            found = [self._load(name) for name in missing]
        else:
            with ThreadPoolExecutor(min(_CALLERS, len(missing)), "views") as callers:
                answers = [callers.submit(copy_context().run, self._load, name) for name in missing]
                found = [answer.result() for answer in answers]
        self._texts.update(zip(missing, found, strict=True))
        beneath = missing if beneath_view else [name for name in missing if name not in given]
        self._tables |= {n for n in beneath if self._texts[n] is None and n.schema.startswith(PHYSICAL)}

    def reads(self, name: TableName, view: ViewText) -> frozenset[TableName]:
        """Return the names that a view reads, and ask for them together with it from now on."""
        read = view_reads(name, view)
        self._beneath[name] = read
        return read

    def _with_beneath(self, names: Iterable[TableName]) -> list[TableName]:
        found = dict.fromkeys(names)
        waiting = list(found)
        while waiting:
            for name in self._beneath.get(waiting.pop(), ()):
                if name not in found:
                    found[name] = None
                    waiting.append(name)
        return list(found)

    def _load(self, name: TableName) -> ViewText | None:
        texts = iceberg.read_view_texts(self._catalog, name)
        return ViewText(sql=texts) if texts is not None else None


def resolve(
    statement: exp.Expr, catalog: LakeCatalog, *, moment_of: MomentOf, environment: str = ""
) -> exp.Expr:
    """Return the statement as DuckDB can run it: views inlined, moments turned into versions.

    With `environment` a name means that environment's view where there is one and prod's where there is none.
    """
    views = CatalogViews(catalog)
    find = in_environment(views, environment) if environment else views
    names, known = tables_read(statement), frozenset[TableName]()
    while names:
        candidates = (candidate for name in names for candidate in _candidates(name, environment))
        views.ask(candidates, beneath_view=bool(known))
        known |= names
        found = [(name, text) for name in names if (text := find(name)) is not None]
        names = frozenset(n for name, text in found for n in views.reads(name, text)) - known
    tree = inline_views(statement, find)
    pin(tree, table_name, lambda name, when: _snapshot_at(catalog, name, moment_of(when)))
    return tree


def in_environment(find: Find, environment: str) -> Find:
    """Return a lookup that prefers the views of a development environment and falls back to prod's.

    SQLMesh puts the views of environment `dev_x` into schemas that end in `__dev_x`.
    """

    def found(name: TableName) -> ViewText | None:
        texts = (find(candidate) for candidate in _candidates(name, environment))
        return next((text for text in texts if text is not None), None)

    return found


def _candidates(name: TableName, environment: str) -> tuple[TableName, ...]:
    """Return the names that `name` may stand for, best first."""
    if not environment or name.schema.startswith(PHYSICAL):
        return (name,)
    return (TableName(schema=f"{name.schema}__{environment}", name=name.name), name)


def _snapshot_at(catalog: LakeCatalog, name: TableName, moment: datetime) -> int:
    state = iceberg.load_table(catalog, name)
    if state is None:
        raise BadInputError(f"there is no table {name}", hint='lake sql "SELECT … FROM <schema>.<table>"')
    return int(iceberg.snapshot_at(state, moment))

"""Ask the catalog what a name means; asked anew for each statement, so that a promotion shows at once."""

from __future__ import annotations

from lake.catalog.open import LakeCatalog
from lake.catalog.views import list_views, load_view
from lake.mesh.resolve import Find, ViewText
from lake.types import TableName


class CatalogViews:
    """Find views for one statement; make a new one for the next."""

    def __init__(self, catalog: LakeCatalog) -> None:
        self._catalog = catalog
        self._names: dict[str, frozenset[TableName]] = {}
        self._texts: dict[TableName, ViewText | None] = {}

    def __call__(self, name: TableName) -> ViewText | None:
        if name not in self._texts:
            self._texts[name] = self._load(name)
        return self._texts[name]

    def _load(self, name: TableName) -> ViewText | None:
        if name.schema not in self._names:
            self._names[name.schema] = frozenset(list_views(self._catalog, name.schema))
        if name not in self._names[name.schema]:
            return None
        view = load_view(self._catalog, name)
        return ViewText(sql=view.sql) if view is not None else None


def in_environment(find: Find, environment: str) -> Find:
    """Return a lookup that prefers the views of a development environment and falls back to prod's.

    SQLMesh puts the views of environment `dev_x` into schemas that end in `__dev_x`.
    """

    def found(name: TableName) -> ViewText | None:
        own = TableName(schema=f"{name.schema}__{environment}", name=name.name)
        return find(own) or find(name)

    return found

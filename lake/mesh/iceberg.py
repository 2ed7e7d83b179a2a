"""The catalog's functions as the adapters call them: pyiceberg and Arrow are loaded by the first call.

SQLMesh builds the adapters whenever it loads a project, also to lint it or to find nothing to do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lake.catalog.answers import columns_of, read_view_texts
    from lake.catalog.commits import Conflict
    from lake.catalog.evolve import COMMENT, Evolution, evolve
    from lake.catalog.horizons import complete_up_to, read_stream
    from lake.catalog.open import open_catalog, within
    from lake.catalog.published import snapshot_at
    from lake.catalog.tables import drop_table, list_tables, load_table
    from lake.catalog.tidy import tidy
    from lake.catalog.views import ViewSpec, drop_view, list_schemas, list_views, load_view, put_view

__all__ = [
    "COMMENT",
    "Conflict",
    "Evolution",
    "ViewSpec",
    "columns_of",
    "complete_up_to",
    "drop_table",
    "drop_view",
    "evolve",
    "list_schemas",
    "list_tables",
    "list_views",
    "load_table",
    "load_view",
    "open_catalog",
    "put_view",
    "read_stream",
    "read_view_texts",
    "snapshot_at",
    "tidy",
    "within",
]

_HOMES = {
    "answers": ("columns_of", "read_view_texts"),
    "commits": ("Conflict",),
    "evolve": ("COMMENT", "Evolution", "evolve"),
    "horizons": ("complete_up_to", "read_stream"),
    "open": ("open_catalog", "within"),
    "published": ("snapshot_at",),
    "tables": ("drop_table", "list_tables", "load_table"),
    "tidy": ("tidy",),
    "views": ("ViewSpec", "drop_view", "list_schemas", "list_views", "load_view", "put_view"),
}
_MODULE = {name: f"lake.catalog.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(name)
    return getattr(import_module(_MODULE[name]), name)

"""What the catalog says about a name, as plain JSON: for what every query or every promoted view asks.

pyiceberg makes an object of each snapshot and version in an answer, which takes longer than the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, NoSuchViewError
from pyiceberg.schema import Schema

from lake.catalog.errors import mapped
from lake.catalog.open import LakeCatalog
from lake.types import TableName


def read_view_texts(catalog: LakeCatalog, name: TableName) -> Mapping[str, str] | None:
    """Return a view's present texts by dialect, None when there is no view."""
    if (view := _metadata(catalog, "views", catalog.load_view, name)) is None:
        return None
    [version] = [v for v in view["versions"] if v["version-id"] == view["current-version-id"]]
    return {r["dialect"]: r["sql"] for r in version["representations"]}


def columns_of(
    catalog: LakeCatalog, name: TableName, *, hidden: Callable[[Mapping[str, str]], frozenset[str]]
) -> Schema | None:
    """Return the columns of a table or view without asking an engine; None when there is neither.

    `hidden` names the columns that a table's properties hide.
    """
    if (table := _metadata(catalog, "tables", catalog.load_table, name)) is not None:
        out = hidden(table.get("properties") or {})
        return Schema(*(c for c in _schema(table, table["current-schema-id"]).fields if c.name not in out))
    if (view := _metadata(catalog, "views", catalog.load_view, name)) is None:
        return None
    [version] = [v for v in view["versions"] if v["version-id"] == view["current-version-id"]]
    return _schema(view, version["schema-id"])


def _schema(metadata: Mapping[str, Any], number: int) -> Schema:
    [found] = [schema for schema in metadata["schemas"] if schema["schema-id"] == number]
    return Schema.model_validate(found)


def _metadata(
    catalog: LakeCatalog, kind: str, load: Callable[[tuple[str, str]], Any], name: TableName
) -> dict[str, Any] | None:
    """Return the metadata of one answer; what is neither an answer nor 404 is left to pyiceberg.

    It renews an expired token, for example, or raises what the answer means.
    """
    path = f"namespaces/{name.schema}/{kind}/{name.name}"
    with mapped(f"load {name}"):
        response = catalog._session.get(catalog.url(path))  # noqa: SLF001  pyiceberg keeps the answer to itself
        if response.status_code == 404:
            return None
        if response.ok:
            found: dict[str, Any] = response.json()["metadata"]
            return found
        try:
            loaded = load((name.schema, name.name))
        except (NoSuchTableError, NoSuchViewError, NoSuchNamespaceError):
            return None
        return dict(loaded.metadata.model_dump(by_alias=True, mode="json"))

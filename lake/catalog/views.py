"""Views of the catalog: one name, one SQL text per dialect, replaced in place.

A replacement is `add-schema`, `add-view-version` and `set-current-view-version -1` in one commit
(Iceberg REST specification, CommitViewRequest): a reader sees the old view or the new one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchViewError
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.view import View
from pyiceberg.view.metadata import ViewMetadata, ViewVersion
from requests import Response

from lake.catalog.errors import UNREACHABLE, mapped
from lake.catalog.open import LakeCatalog
from lake.errors import (
    BadInputError,
    ConflictError,
    OutcomeUnknownError,
    TerminalError,
    TransientError,
    first_line,
)
from lake.types import TableName

_ATTEMPTS = 5
# Somebody was faster, or the token has expired: loading the view renews it.
_LOOK_AGAIN = {401, 409, 419}
# Without it a reader of the view needs rights on the physical tables beneath it.
_RUN_AS_OWNER = {"trino.run-as-owner": "lakemesh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState:
    """A view as one answer of the catalog showed it; `sql` is by dialect, `version` grows by replacing."""

    name: TableName
    uuid: str
    version: int
    sql: Mapping[str, str]
    columns: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSpec:
    """What a view should be: its columns (Arrow's, or those that `columns_of` a table gave), and its query.

    The query is the same in each dialect. `is_new` says that nobody saw a view of the name.
    """

    name: TableName
    sql: Mapping[str, str]
    columns: pa.Schema | Schema
    is_new: bool = False
    description: str = ""
    column_descriptions: Mapping[str, str] = field(default_factory=dict)


def load_view(catalog: LakeCatalog, name: TableName) -> ViewState | None:
    """Return a view's present state, None when there is none."""
    view = _load(catalog, name)
    return _state(name, view) if view is not None else None


def list_views(catalog: LakeCatalog, schema: str) -> tuple[TableName, ...]:
    """Return the views of a namespace by name, empty when it does not exist."""
    with mapped(f"list the views of {schema}"):
        try:
            found = catalog.list_views((schema,))
        except NoSuchNamespaceError:
            return ()
    return tuple(sorted(TableName(schema=schema, name=identifier[-1]) for identifier in found))


def list_schemas(catalog: LakeCatalog) -> tuple[str, ...]:
    """Return the top-level namespaces by name."""
    with mapped("list the schemas"):
        found = catalog.list_namespaces()
    return tuple(sorted(identifier[0] for identifier in found))


def put_view(catalog: LakeCatalog, spec: ViewSpec) -> ViewState:
    """Create the view or replace it in place; idempotent, an equal view is left alone.

    The namespace must exist. Raises BadInputError when a column's type has no place in Iceberg,
    ConflictError when a table has the name or others keep replacing the view,
    OutcomeUnknownError when the answer was lost and the view could not be read back.
    """
    schema = _schema(catalog, spec)
    for attempt in range(_ATTEMPTS):
        present = None if spec.is_new and attempt == 0 else _load(catalog, spec.name)
        if present is not None and _matches(present, spec, schema):
            return _state(spec.name, present)
        done = _replace(catalog, spec, schema, present) if present else _create(catalog, spec, schema)
        if done:
            return _state(spec.name, done)
    raise ConflictError(
        f"view {spec.name}: others keep replacing it, or a table has its name", hint="try the command again"
    )


def drop_view(catalog: LakeCatalog, name: TableName) -> bool:
    """Drop a view; False when there was none."""
    with mapped(f"drop view {name}"):
        try:
            catalog.drop_view((name.schema, name.name))
        except (NoSuchViewError, NoSuchNamespaceError):
            return False
        return True


def _load(catalog: LakeCatalog, name: TableName) -> View | None:
    with mapped(f"load view {name}"):
        try:
            view: View = catalog.load_view((name.schema, name.name))
        except (NoSuchViewError, NoSuchNamespaceError):
            return None
        return view


def _create(catalog: LakeCatalog, spec: ViewSpec, schema: Schema) -> View | None:
    """Create the view, None when somebody else did (or our own request was sent twice)."""
    body = {
        "name": spec.name.name,
        "schema": schema.model_dump(by_alias=True, mode="json"),
        "view-version": _version(spec, number=1, schema_id=0),
        "properties": _properties(spec),
    }
    return _send(catalog, spec, schema, f"namespaces/{spec.name.schema}/views", body)


def _replace(catalog: LakeCatalog, spec: ViewSpec, schema: Schema, present: View) -> View | None:
    """Replace the view, None when it moved or went meanwhile (or our own request was sent twice)."""
    body = {
        "identifier": {"namespace": [spec.name.schema], "name": spec.name.name},
        "requirements": [{"type": "assert-view-uuid", "uuid": str(present.uuid())}],
        "updates": _updates(spec, schema, present),
    }
    path = f"namespaces/{spec.name.schema}/views/{spec.name.name}"
    return _send(catalog, spec, schema, path, body)


def _send(
    catalog: LakeCatalog, spec: ViewSpec, schema: Schema, path: str, body: dict[str, Any]
) -> View | None:
    """Send a change; None when the view should be looked at again before the next try."""
    replaces = "updates" in body
    try:
        response = catalog._session.post(catalog.url(path), json=body)  # noqa: SLF001  pyiceberg can't replace a view, and is slow to create one
    except UNREACHABLE as error:
        return _read_back(catalog, spec, schema, first_line(error))
    if response.status_code in _LOOK_AGAIN or (response.status_code == 404 and replaces):
        return None
    if response.status_code >= 500:
        return _read_back(catalog, spec, schema, f"status {response.status_code}")
    if not response.ok:
        raise TerminalError(f"view {spec.name}: the catalog refused: {response.text[:300]}")
    return _answer(spec.name, response) or _read_back(catalog, spec, schema, "an answer that is no view")


def _answer(name: TableName, response: Response) -> View | None:
    """Return the view as the answer to its replacement shows it; None when it shows none."""
    try:
        metadata = ViewMetadata.model_validate(response.json()["metadata"])
    except (ValueError, KeyError, TypeError):
        return None
    return View((name.schema, name.name), metadata)


def _updates(spec: ViewSpec, schema: Schema, present: View) -> list[dict[str, Any]]:
    """Return the changes of one replacement.

    A version whose text and columns were there before is made current again: servers give an equal
    version its old number, and one of them then refuses it as a duplicate.
    """
    wanted = _properties(spec)
    updates: list[dict[str, Any]] = [{"action": "set-properties", "updates": wanted}]
    if gone := sorted({"comment"} & set(present.properties) - set(wanted)):
        updates.append({"action": "remove-properties", "removals": gone})
    known = next((s for s in present.metadata.schemas if s.fields == schema.fields), None)
    schema_id = known.schema_id if known else max(s.schema_id for s in present.metadata.schemas) + 1
    old = next((v for v in present.versions if v.schema_id == schema_id and _sql(v) == dict(spec.sql)), None)
    if old is not None:
        return [*updates, {"action": "set-current-view-version", "view-version-id": old.version_id}]
    if known is None:
        body = Schema(*schema.fields, schema_id=schema_id).model_dump(by_alias=True, mode="json")
        updates.append({"action": "add-schema", "schema": body, "last-column-id": schema.highest_field_id})
    number = max(v.version_id for v in present.versions) + 1
    return [
        *updates,
        {"action": "add-view-version", "view-version": _version(spec, number=number, schema_id=schema_id)},
        {"action": "set-current-view-version", "view-version-id": -1},
    ]


def _version(spec: ViewSpec, *, number: int, schema_id: int) -> dict[str, Any]:
    return {
        "version-id": number,
        "schema-id": schema_id,
        "timestamp-ms": time.time_ns() // 1_000_000,
        "summary": {"engine-name": "lakemesh"},
        "representations": [
            {"type": "sql", "sql": sql, "dialect": dialect} for dialect, sql in sorted(spec.sql.items())
        ],
        "default-namespace": [spec.name.schema],
    }


def _read_back(catalog: LakeCatalog, spec: ViewSpec, schema: Schema, reason: str) -> View | None:
    """Find out whether a change whose answer was lost had landed (I5)."""
    try:
        view = _load(catalog, spec.name)
    except TransientError as error:
        raise OutcomeUnknownError(
            f"view {spec.name}: the catalog gave no answer to its change ({reason})",
            hint="lake status, then run the same command again",
        ) from error
    return view if view is not None and _matches(view, spec, schema) else None


def _matches(view: View, spec: ViewSpec, schema: Schema) -> bool:
    wanted = _properties(spec)
    present = {k: v for k, v in view.properties.items() if k in wanted or k == "comment"}
    return (
        _sql(view.current_version()) == dict(spec.sql)
        and view.schema().fields == schema.fields
        and present == wanted
    )


def _schema(catalog: LakeCatalog, spec: ViewSpec) -> Schema:
    if isinstance(spec.columns, Schema):
        return assign_fresh_schema_ids(
            Schema(
                *(
                    column.model_copy(
                        update={"doc": spec.column_descriptions.get(column.name), "required": False}
                    )
                    for column in spec.columns.fields
                )
            )
        )
    described = pa.schema(
        [
            column.with_metadata({"doc": doc})
            if (doc := spec.column_descriptions.get(column.name))
            else column
            for column in spec.columns
        ]
    )
    try:
        return assign_fresh_schema_ids(catalog._convert_schema_if_needed(described))  # noqa: SLF001  the public way creates a view
    except (TypeError, ValueError) as error:
        raise BadInputError(
            f"view {spec.name}: a column has a type that Iceberg lacks ({first_line(error)})",
            hint="cast the column in the model's last SELECT",
        ) from error


def _properties(spec: ViewSpec) -> dict[str, str]:
    return {**_RUN_AS_OWNER, **({"comment": spec.description} if spec.description else {})}


def _sql(version: ViewVersion) -> dict[str, str]:
    return {r.root.dialect: r.root.sql for r in version.representations}


def _state(name: TableName, view: View) -> ViewState:
    return ViewState(
        name=name,
        uuid=str(view.uuid()),
        version=view.metadata.current_version_id,
        sql=_sql(view.current_version()),
        columns=tuple(f.name for f in view.schema().fields),
        properties=dict(view.properties),
    )

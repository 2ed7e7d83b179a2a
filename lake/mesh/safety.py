"""Refuse a plan that takes away what a contract's consumers or a sync read, and name the reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope
from sqlmesh.core.context_diff import ContextDiff

from lake.control.published import MartContract, read_mart_contracts
from lake.errors import LakeError
from lake.mesh.differ import IcebergDiffer
from lake.mesh.errors import StockError, as_stock
from lake.mesh.names import plain_name
from lake.mesh.promises import Break, Columns, find_breaks, reached
from lake.mesh.readers import Reader, read_readers
from lake.mesh.runtime import Runtime

_HINT = (
    "keep the column beside its successor; or give the contract a new major version that lists the column"
    " under migrations; or change the sync"
)


def check_readers(context: Any, diff: ContextDiff, runtime: Runtime) -> tuple[MartContract, ...]:
    """Raise StockError naming each column that a reader would lose, before anything is created.

    Returns what the project's contracts promise from now on.
    """
    models = {plain_name(fqn): model for fqn, model in context.models.items() if not model.kind.is_external}
    try:
        readers = read_readers(context.path, model_files(context.models))
        deployed = read_mart_contracts(runtime.control)
    except LakeError as error:
        raise as_stock(error) from error
    before = {
        plain_name(name): _columns(old.model) or {}
        for name, (_, old) in diff.modified_snapshots.items()
        if old.is_model
    }
    read = {reader.model for reader in readers} | {promise.model for promise in deployed} | before.keys()
    now = {name: _columns(model) if name in read else None for name, model in models.items()}
    breaks = find_breaks(readers, deployed, models=now, before=before, fits=_fits)
    breaks += _through(readers, models, now, before)
    if breaks:
        raise StockError("; ".join(str(found) for found in sorted(set(breaks))), hint=_HINT)
    return tuple(
        MartContract(model=r.model, version=r.version, columns=r.columns, consumers=r.consumers)
        for r in readers
        if r.version
    )


def model_files(models: Mapping[str, Any]) -> dict[str, Path]:
    """Return each model's file by `schema.name`."""
    paths = {plain_name(name): model._path for name, model in models.items()}  # noqa: SLF001  SQLMesh shows it no other way
    return {name: Path(path).absolute() for name, path in paths.items() if path}


def _columns(model: Any) -> Columns | None:
    types = model.columns_to_types
    if not types or any(kind.is_type("unknown") for kind in types.values()):
        return None
    return {name: kind.sql("duckdb") for name, kind in types.items()}


def _fits(narrow: str, wide: str) -> bool:
    """Tell whether Iceberg would promote the first type to the second without a loss."""
    one, other = (exp.DataType.build(kind, dialect="duckdb") for kind in (narrow, wide))
    return one == other or IcebergDiffer()._is_compatible_type(one, other)  # noqa: SLF001  the rule, not the diff


def _through(
    readers: tuple[Reader, ...],
    models: Mapping[str, Any],
    now: Mapping[str, Columns | None],
    before: Mapping[str, Columns],
) -> Iterator[Break]:
    """Yield the columns that are gone while a model on the way to a reader still names them."""
    children: dict[str, set[str]] = {}
    for name, model in models.items():
        for parent in model.depends_on:
            children.setdefault(plain_name(parent), set()).add(name)
    for name, was in before.items():
        columns = now.get(name)
        if columns is None:
            continue
        for column in was.keys() - columns.keys():
            for child in sorted(children.get(name, ())):
                if not _names(models[child], name, column):
                    continue
                for reader in readers:
                    if reader.model in reached(child, children):
                        what = f"({was[column]}) would be gone, {child} still selects it"
                        yield Break(model=name, column=column, what=what, reader=reader.name)


def _names(model: Any, table: str, column: str) -> bool:
    """Tell whether a model's query names a column of a table."""
    query = model.render_query(optimize=False) if model.is_sql else None
    if query is None:
        return False
    for scope in traverse_scope(query):
        tables = {
            alias: source
            for alias, (_, source) in scope.selected_sources.items()
            if isinstance(source, exp.Table) and f"{source.db}.{source.name}".lower() == table
        }
        for found in scope.columns:
            alone = len(scope.selected_sources) == 1 and not found.table
            if found.name.lower() == column and tables and (found.table in tables or alone):
                return True
    return False

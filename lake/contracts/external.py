"""Write SQLMesh's external models of the landing tables from the contracts.

SQLMesh learns the columns of tables that it doesn't build from `external_models/raw.yaml`. The text
depends on nothing but the contracts, so `lake contract check` can compare it with the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from lake.contracts.contract import Contract
from lake.contracts.engine_types import duckdb_type
from lake.contracts.landing import latest_fields, raw_fields
from lake.contracts.union import unite
from lake.types import CATALOG, Field

FILE = "raw.yaml"
_HEADER = "# Generated from ingest/contracts/*.yaml by `lake contract external --write`: edit those.\n"


def external_models(contracts: Iterable[Contract], *, schema: str = "raw") -> str:
    """Return the YAML of all external models, by stream; the same contracts give the same bytes."""
    ordered = sorted(contracts, key=lambda c: c.stream)
    models = [m for c in ordered for m in _models(c, ordered, schema)]
    return _HEADER + yaml.safe_dump(models, sort_keys=False, allow_unicode=True, width=100)


def is_current(contracts: Iterable[Contract], folder: Path) -> bool:
    """Tell whether the file in `folder` is what the contracts say."""
    path = folder / FILE
    return path.is_file() and path.read_text(encoding="utf-8") == external_models(contracts)


def write_external_models(contracts: Iterable[Contract], folder: Path) -> bool:
    """Bring the file up to date; returns whether it changed."""
    contracts = tuple(contracts)
    if is_current(contracts, folder):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(external_models(contracts), encoding="utf-8")
    return True


def _models(contract: Contract, contracts: Sequence[Contract], schema: str) -> Iterator[dict[str, Any]]:
    yield _model(contract, f"{schema}.{contract.stream}", contract.description, raw_fields(contract))
    if contract.is_changelog:
        about = f"The newest row of each key: {contract.description}"
        yield _model(contract, f"{schema}.{contract.stream}_latest", about, latest_fields(contract))
    if (union := unite(contract, contracts)) is not None:
        about = f"Rows of all versions: {contract.description}"
        yield _model(contract, f"{schema}.{union.name}", about, union.fields)


def _model(contract: Contract, name: str, description: str, columns: Iterable[Field]) -> dict[str, Any]:
    columns = tuple(columns)
    return {
        "name": f"{CATALOG}.{name}",
        "owner": contract.owner,
        "description": description,
        "columns": {column.name: duckdb_type(column.type) for column in columns},
        "column_descriptions": {c.name: c.description for c in columns if c.description},
    }

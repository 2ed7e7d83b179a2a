"""Who reads published columns from outside of the models: contracts of marts and their consumers, syncs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lake.contracts import Contract, Status, StreamKind, load_contract
from lake.contracts.engine_types import duckdb_type
from lake.errors import ConfigurationError
from lake.types import CATALOG

_SYNCS = "*.sync.yaml"
CONTRACTS = ".contract.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who reads columns of a model by name; `model` is `schema.name`.

    A contract promises a type for each column (as DuckDB writes it); a sync takes the type as it was.
    `migrations` says of columns that were promised before what becomes of them.
    """

    name: str
    model: str
    columns: Mapping[str, str]
    file: str
    version: str = ""
    consumers: tuple[str, ...] = ()
    migrations: Mapping[str, str] = field(default_factory=dict)


def read_readers(root: Path, models: Mapping[str, Path] | None = None) -> tuple[Reader, ...]:
    """Return the readers that a project's files declare, by name.

    `models` gives the file of each model, beside which its contract stands; without it none is read.
    Raises ConfigurationError naming a file that can't be read.
    """
    found = [*_syncs(root), *(_contracts(root, models) if models is not None else ())]
    return tuple(sorted(found, key=lambda reader: reader.name))


def _contracts(root: Path, models: Mapping[str, Path]) -> Iterator[Reader]:
    by_stem = {(path.parent, path.stem): model for model, path in models.items()}
    for path in sorted((root / "models").rglob(f"*{CONTRACTS}")):
        model = by_stem.get((path.parent, path.name.removesuffix(CONTRACTS)))
        if model is None:
            raise ConfigurationError(
                f"{path} stands beside no model of its name", hint=f"move or remove {path}"
            )
        contract = load_contract(path)
        if contract.kind is not StreamKind.TABLE:
            raise ConfigurationError(
                f"{path}: physicalType is {contract.kind.value}: the contract of a mart describes a table",
                hint=f"write physicalType: table in {path}",
            )
        if contract.status is not Status.RETIRED:
            yield _of_contract(contract, model, str(path.relative_to(root)))


def _of_contract(contract: Contract, model: str, file: str) -> Reader:
    return Reader(
        name=contract_name(model, contract.version, contract.consumers),
        model=model,
        columns={column.name: duckdb_type(column.type) for column in contract.fields},
        file=file,
        version=contract.version,
        consumers=contract.consumers,
        migrations=dict(contract.migrations),
    )


def contract_name(model: str, version: str, consumers: tuple[str, ...]) -> str:
    """Name a contract with those who count on it."""
    return f"contract {model} {version}" + (f" (for {', '.join(consumers)})" if consumers else "")


def _syncs(root: Path) -> Iterator[Reader]:
    for path in sorted((root / "models").rglob(_SYNCS)):
        document = _document(path)
        try:
            yield Reader(
                name=f"sync {document['sync']}",
                model=str(document["model"]).removeprefix(f"{CATALOG}."),
                columns=dict.fromkeys([document["key"], *document["fields"].values()], ""),
                file=str(path.relative_to(root)),
            )
        except (KeyError, AttributeError, TypeError) as error:
            raise ConfigurationError(f"{path} does not fit: {error!r}", hint="lake sync plan") from error


def _document(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", hint=f"edit {path}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is no mapping of keys", hint=f"edit {path}")
    return found

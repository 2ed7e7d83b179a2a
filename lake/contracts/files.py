"""Load the contracts of a project folder."""

from __future__ import annotations

from pathlib import Path

from lake.contracts.contract import Contract, StreamKind
from lake.contracts.document import ContractError
from lake.contracts.families import find_clashes
from lake.contracts.parse import parse_contract
from lake.errors import ConfigurationError

CHECK = "lake contract check"


def load_contracts(folder: Path) -> tuple[Contract, ...]:
    """Return all contracts of `folder`, sorted by stream; each major version is a stream of its own.

    The newest version of `orders` is kept in `orders.yaml`, the older ones in `orders.v1.yaml` and so on.
    Raises ConfigurationError that lists every wrong file with line and key, and what does not fit together.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}", hint="cd into a lakemesh project")
    contracts: dict[str, Contract] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            contract = _of_landing(load_contract(path), path)
        except ConfigurationError as error:
            problems.append(error.message)
            continue
        other = contracts.setdefault(contract.stream, contract)
        if other is not contract:
            problems.append(f"{path}: stream {contract.stream} is described by {other.file} already")
    problems += find_clashes(tuple(contracts.values()))
    if problems:
        raise ConfigurationError("\n".join(problems), hint=f"mend the file, then {CHECK}")
    return tuple(contracts[stream] for stream in sorted(contracts))


def _of_landing(contract: Contract, path: Path) -> Contract:
    if contract.kind is StreamKind.TABLE:
        raise ConfigurationError(f"{path}: the contract of a mart stands beside its model, in models/")
    return contract


def load_contract(path: Path) -> Contract:
    """Read one file; raises ConfigurationError naming file, line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} can't be read: {error}", hint=f"mend the file, then {CHECK}"
        ) from error
    try:
        return parse_contract(text, file=str(path))
    except ContractError as error:
        place = ".".join(str(part) for part in error.at) or "document"
        message = f"{path}:{error.line}: {place}: {error.message}"
        raise ConfigurationError(message, hint=f"mend the file, then {CHECK}") from error

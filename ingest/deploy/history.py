"""What is deployed: the versions of contracts that PostgreSQL keeps, read back as contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from lake.contracts import Contract, StreamKind, digest, parse_contract
from lake.contracts.derive import registered_schema
from lake.contracts.document import ContractError
from lake.control import ContractRecord, read_contracts, record_contract
from lake.errors import ConfigurationError, HistoryError
from lake.settings import PostgresSettings


def read_history(
    settings: PostgresSettings, streams: Sequence[str] | None = None
) -> Mapping[str, tuple[Contract, ...]]:
    """Return the deployed versions by stream, oldest first; raises UnavailableError without PostgreSQL."""
    return history_of(read_contracts(settings, streams))


def history_of(records: Iterable[ContractRecord]) -> Mapping[str, tuple[Contract, ...]]:
    """Return records as contracts, by stream, lowest version first."""
    found: dict[str, list[Contract]] = {}
    for record in records:
        found.setdefault(record.stream, []).append(_contract(record))
    return {stream: tuple(sorted(versions, key=_number)) for stream, versions in found.items()}


def record_deployed(settings: PostgresSettings, contract: Contract) -> None:
    """Write down that a contract is deployed, with its schema; repeating it changes nothing."""
    schema = registered_schema(contract) if contract.kind is StreamKind.TOPIC else None
    record_contract(
        settings,
        stream=contract.stream,
        version=contract.version,
        digest=digest(contract),
        document=contract.text,
        subject=schema.subject if schema else "",
        schema_id=schema.id if schema else None,
        schema_type=schema.type.value if schema else None,
        schema_text=schema.text if schema else None,
    )


def find_deployed(settings: PostgresSettings, stream: str, mark: str) -> Contract:
    """Return the contract of a table's mark; raises HistoryError when nobody wrote it down."""
    version, _, wanted = mark.partition(" ")
    for contract in read_history(settings, [stream]).get(stream, ()):
        if contract.version == version and digest(contract) == wanted:
            return contract
    raise HistoryError(
        f"the table of {stream} is held to version {version} ({wanted}), which is not written down",
        hint=f"lake contract deploy {stream}, from the project that has that version",
    )


def _contract(record: ContractRecord) -> Contract:
    try:
        contract = parse_contract(record.document, file=f"{record.stream} {record.version} as deployed")
    except ContractError as error:
        raise ConfigurationError(
            f"{record.stream} {record.version} as deployed can't be read any more: {error.message}",
            hint="this lakemesh is older than the one that deployed it: upgrade it",
        ) from error
    return replace(contract, text=record.document)


def _number(contract: Contract) -> tuple[int, ...]:
    return tuple(map(int, contract.version.split(".")))

"""A stream as the gateway fills it: its contract prepared for checking, and how its records go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.check import ContractCheck
from ingest.gateway.service import gateway_streams
from lake.contracts import Contract, Framing
from lake.contracts.derive import registered_schema
from lake.contracts.routing import VERSION_HEADER

_MAGIC = b"\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One contract; `frame` stands before every value, `headers` go with every record."""

    contract: Contract
    check: ContractCheck
    frame: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()


def open_streams(contracts: Sequence[Contract], *, own_ids: bool = True) -> Mapping[str, Stream]:
    """Prepare every stream that can be sent to; `own_ids`: schema ids are those of the contracts."""
    found = gateway_streams(contracts, own_ids=own_ids)
    return {name: _open(contract, contracts) for name, contract in found.items()}


def _open(contract: Contract, contracts: Sequence[Contract]) -> Stream:
    frame = b""
    if contract.framing is Framing.REGISTRY:
        frame = _MAGIC + registered_schema(contract).id.to_bytes(4, "big")
    headers: list[tuple[str, bytes]] = []
    if sum(other.topic == contract.topic for other in contracts) > 1:  # landing tells the streams by these
        headers.append((VERSION_HEADER, contract.version.encode()))
        if contract.route is not None:
            headers.append((contract.route.header, contract.route.value.encode()))
    check = ContractCheck(contract)
    check.split([b"{}"])  # loads what the first record would wait for
    return Stream(contract=contract, check=check, frame=frame, headers=tuple(headers))

"""The fence between versions of a contract: a table says under which one it may be written.

Two writers that judge by different contracts could put one offset into the table and into quarantine.
So the table of a stream and its quarantine both carry, as properties, the contract and the routing of
the topic that are deployed. They change only in commits of `lake contract deploy`, each of which adds a
snapshot: a writer that staged before it loses its commit, looks at the properties and stops.

1. Whoever opens a stream takes its routing from `table_routing`, and sets `fence_properties` in the
   specifications of tables that it creates.
2. A writer calls `check_fence` on both tables: when it opens them and after each conflict, before it
   commits on top of the state that it sees. UNCLAIMED (a table from before there was a fence): it adds
   `fence_properties` to the properties of that commit.
3. ContractMovedError: nothing may be written. `error.deploying` means that a deploy is under way: look
   again after a moment. Else begin again with the contract that the table names: the one in the project
   if its digest is that, else the deployed one (`ingest.deploy.history.find_deployed`), else stop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from lake.contracts.contract import Contract
from lake.contracts.routing import Routing, from_text, to_text
from lake.errors import ConflictError, RefusedError

CONTRACT = "ingest.contract"  # "<version> <digest>"
ROUTING = "ingest.routing"  # of topics that several streams share
DEPLOYING = "ingest.deploying"  # "<stream> <version> <digest>" of a stream that is joining the topic

_JUDGED = (
    "stream",
    "version",
    "kind",
    "fields",
    "primary_key",
    "rules",
    "mode",
    "format",
    "framing",
    "route",
    "topic",
    "key",
    "subject",
    "source",
    "resource",
    "event_time",
    "partition",
)


_WORDS = frozenset({"description", "masked"})


class Fence(Enum):
    """What a table says to a writer."""

    OWN = "own"  # it is held to the writer's contract
    UNCLAIMED = "unclaimed"  # it is from before there was a fence


class ContractMovedError(ConflictError):
    """A table is held to another contract than the writer's, `found`; `deploying`: it will be in a moment."""

    def __init__(self, table: str, own: str, found: str, *, deploying: bool) -> None:
        state = f"waits for the deploy of {found}" if deploying else f"is held to {found}"
        super().__init__(
            f"{table} {state}, and this process has {own}",
            hint="lake contract diff, then lake contract deploy; or go back to the contract that is deployed",
        )
        self.found = found
        self.deploying = deploying


def digest(contract: Contract) -> str:
    """Return 16 hex digits over everything that decides how a record is read, judged and stored.

    Defaults count for nothing, so that a property which contracts get later changes no digest.
    """
    kept = {name: value for name, value in _plain(contract).items() if name in _JUDGED}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def mark(contract: Contract) -> str:
    """Return how tables name a contract: version and digest."""
    return f"{contract.version} {digest(contract)}"


def fence_properties(contract: Contract, routing: Routing | None = None) -> dict[str, str]:
    """Return the properties that hold a table to a contract; extracts have no routing."""
    text = _shared(routing)
    return {CONTRACT: mark(contract), **({ROUTING: text} if text else {})}


def check_fence(
    table: str, properties: Mapping[str, str], contract: Contract, routing: Routing | None = None
) -> Fence:
    """Say whether a writer of `contract` may commit on top of a table with these properties.

    `routing` is the one that the writer goes by. Raises ContractMovedError when it may not.
    """
    fence = check_held(table, properties, contract)
    if fence is Fence.OWN and properties.get(ROUTING, "") != _shared(routing):
        found = f"{properties[CONTRACT]}, among other streams"
        raise ContractMovedError(table, mark(contract), found, deploying=False)
    return fence


def check_held(table: str, properties: Mapping[str, str], contract: Contract) -> Fence:
    """Do the same for who writes records that are the stream's already, whatever its topic's routing is."""
    own = mark(contract)
    if deploying := properties.get(DEPLOYING):
        raise ContractMovedError(table, own, deploying, deploying=True)
    found = properties.get(CONTRACT)
    if found is None:
        return Fence.UNCLAIMED
    if found != own:
        raise ContractMovedError(table, own, found, deploying=False)
    return Fence.OWN


def table_routing(
    stream: str,
    properties: Mapping[str, str] | None,
    siblings: Mapping[str, Mapping[str, str] | None],
    wanted: Routing,
) -> Routing:
    """Return the routing that the landing of a stream goes by: its table's, for that is deployed.

    `properties` are those of its table, `siblings` those of the tables of the topic's other streams, None
    for a table that is not there; `wanted` is what the contracts ask for. Without its table and with one
    of another stream that knows nothing of this one, it would take what is another's: RefusedError, a
    deploy lets it in.
    """
    if properties is None:
        if (known := routing_of(stream, siblings)) is not None:
            return known
        if present := sorted(name for name, found in siblings.items() if found is not None):
            raise RefusedError(
                f"{stream} shares topic {wanted.topic} with {', '.join(present)}, which land already",
                hint=f"lake contract deploy {stream}",
            )
        return wanted
    if text := properties.get(ROUTING):
        return from_text(text, table=stream)
    return replace(wanted, header="", members=tuple(m for m in wanted.members if m.stream == stream))


def routing_of(stream: str, siblings: Mapping[str, Mapping[str, str] | None]) -> Routing | None:
    """Return the routing of other streams' tables that has a place for a stream already, if there is one."""
    for name, properties in sorted(siblings.items()):
        if properties and properties.get(ROUTING):
            routing = from_text(properties[ROUTING], table=name)
            if any(member.stream == stream for member in routing.members):
                return routing
    return None


def _shared(routing: Routing | None) -> str:
    return "" if routing is None or routing.is_trivial else to_text(routing)


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it, without defaults and without what is only for people."""
    if is_dataclass(value):
        return {
            f.name: _plain(member)
            for f in fields(value)
            if f.name not in _WORDS and (member := getattr(value, f.name)) != f.default
        } | {"": type(value).__name__}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, bool | int | str | None) else str(value)

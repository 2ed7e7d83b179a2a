"""Decide how a contract becomes what its stream's tables are held to; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lake.catalog import Step, TableState, plan_growth
from lake.contracts import Contract, Routing, StreamKind, fence_properties, raw_fields, route_topic
from lake.contracts.evolution import Verdict
from lake.contracts.fence import CONTRACT, DEPLOYING, ROUTING, mark, routing_of
from lake.contracts.routing import Member, from_text
from lake.errors import RefusedError

CHECK = "lake contract diff"


class Kind(Enum):
    """What a deploy has to do."""

    NOTHING = "nothing"  # everything is as the contract says
    CREATE = "create"  # the stream has no tables, and nobody else lands its topic
    CHANGE = "change"  # its tables are held to another version
    JOIN = "join"  # it has no tables, and others land its topic: they stop for a moment and learn of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The tables of one stream as they stand; None where there is none."""

    raw: TableState | None
    quarantine: TableState | None

    @property
    def tables(self) -> tuple[TableState, ...]:
        """Quarantine first: it is stamped first, so that no bad record can follow."""
        return tuple(state for state in (self.quarantine, self.raw) if state is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """`routing` is the topic's afterwards, without `since` of a stream that joins; None for extracts."""

    contract: Contract
    kind: Kind
    verdict: Verdict
    routing: Routing | None
    growth: tuple[Step, ...] = ()
    siblings: tuple[str, ...] = ()


def plan_deploy(
    contract: Contract,
    contracts: Sequence[Contract],
    verdict: Verdict,
    standings: Mapping[str, Standing],
    *,
    recorded: bool,
) -> DeployPlan:
    """Return what has to be done; `standings` are those of all streams of the topic, the own one too.

    Raises RefusedError for a breaking change, and for what would leave records without an owner or with
    two; ConfigurationError when the table can't follow.
    """
    if not verdict.allowed:
        raise RefusedError(refusal(contract, verdict), hint=next_step(contract, verdict))
    own = standings[contract.stream]
    others = {s: v for s, v in standings.items() if s != contract.stream and v.raw is not None}
    is_topic = contract.kind is StreamKind.TOPIC
    _refuse_interrupted(contract, standings)
    if own.raw is None:
        known = routing_of(contract.stream, {s: v.raw.properties for s, v in others.items() if v.raw})
        routing = known or (route_topic(contracts, contract.topic) if is_topic else None)
        kind = Kind.JOIN if others and not known else Kind.CREATE
        if kind is Kind.JOIN and routing is not None:
            _refuse_unfit_siblings(contract, contracts, routing, others)
        return DeployPlan(
            contract=contract, kind=kind, verdict=verdict, routing=routing, siblings=tuple(sorted(others))
        )
    routing = _kept_routing(contract, contracts, own.raw) if is_topic else None
    growth = plan_growth(own.raw.name, own.raw.handle.schema(), raw_fields(contract))
    if is_joining(contract, others):
        kind = Kind.JOIN
    else:
        wanted = fence_properties(contract, routing)
        held = all(dict(state.properties).items() >= wanted.items() for state in own.tables)
        kind = Kind.NOTHING if held and recorded and not growth and own.quarantine else Kind.CHANGE
    return DeployPlan(
        contract=contract,
        kind=kind,
        verdict=verdict,
        routing=routing,
        growth=growth,
        siblings=tuple(sorted(others)),
    )


def deploying_mark(contract: Contract) -> str:
    """Return how tables name the stream that joins their topic."""
    return f"{contract.stream} {mark(contract)}"


def is_joining(contract: Contract, others: Mapping[str, Standing]) -> bool:
    """Tell whether a deploy of this stream was cut off before all tables of the topic knew of it."""
    own = deploying_mark(contract)
    return any(state.properties.get(DEPLOYING) == own for s in others.values() for state in s.tables)


def refusal(contract: Contract, verdict: Verdict) -> str:
    """Say in one text why a version may not be deployed."""
    lines = [f"{contract.family} {contract.version} can't follow {verdict.deployed}, which is deployed:"]
    return "\n".join([*lines, *(f"  - {problem}" for problem in verdict.problems)])


def next_step(contract: Contract, verdict: Verdict) -> str:
    """Return the command that helps against a refusal."""
    if not verdict.is_breaking:
        return f"mend {contract.file}, then {CHECK} {contract.stream}"
    return f"lake contract new {contract.family} --major, or take the change back; {CHECK} {contract.stream}"


def _refuse_interrupted(contract: Contract, standings: Mapping[str, Standing]) -> None:
    own = deploying_mark(contract)
    for standing in standings.values():
        for state in standing.tables:
            found = state.properties.get(DEPLOYING, "")
            if found not in {"", own}:
                other = found.split(" ", maxsplit=1)[0]
                raise RefusedError(
                    f"{state.name} waits for the deploy of {found}, which was cut off",
                    hint=f"lake contract deploy {other}",
                )


def _refuse_unfit_siblings(
    contract: Contract, contracts: Sequence[Contract], routing: Routing, others: Mapping[str, Standing]
) -> None:
    """Let a stream join others only as their contracts describe them, taking nothing that they own."""
    by_stream = {c.stream: c for c in contracts}
    for stream, standing in others.items():
        if stream not in by_stream:
            raise RefusedError(
                f"{stream} lands topic {contract.topic} and has no contract",
                hint="restore its file: its records still come",
            )
        assert standing.raw is not None
        found = standing.raw.properties.get(CONTRACT)
        if found is not None and found != mark(by_stream[stream]):
            raise RefusedError(
                f"{contract.stream} joins {stream}, whose contract is not the deployed one",
                hint=f"lake contract deploy {stream}",
            )
    taking = next(m for m in routing.members if m.stream == contract.stream)
    families = {m.family for m in routing.members if m.stream in others}
    if taking.family not in families and taking.otherwise:
        raise RefusedError(
            f"{contract.stream} can't take records without the header {routing.header} of topic"
            f" {contract.topic}: they are another stream's already",
            hint="set otherwise: true in the route of a stream that lands already",
        )
    if any(
        m.family == taking.family and m.major > taking.major for m in routing.members if m.stream in others
    ):
        raise RefusedError(
            f"{contract.stream} is older than a version that lands: records without a version are that one's",
            hint="give the contract a higher major version",
        )


def _kept_routing(contract: Contract, contracts: Sequence[Contract], raw: TableState) -> Routing:
    """Return the routing of the table with the own member as the contract has it now."""
    wanted = route_topic(contracts, contract.topic)
    own = next(m for m in wanted.members if m.stream == contract.stream)
    text = raw.properties.get(ROUTING)
    if not text:
        return replace(wanted, members=(own,), header=wanted.header if own.route else "")
    present = from_text(text, table=str(raw.name))
    was = next((m for m in present.members if m.stream == contract.stream), own)
    if len(present.members) > 1 and _label(was) != _label(own):
        raise RefusedError(
            f"the route of {contract.stream} can't change while other streams share topic {contract.topic}",
            hint="give the records a topic of their own",
        )
    members = tuple(
        replace(own, since=m.since) if m.stream == contract.stream else m for m in present.members
    )
    return replace(present, header=wanted.header if own.route else "", members=members)


def _label(member: Member) -> tuple[str, bool]:
    return member.route, member.otherwise

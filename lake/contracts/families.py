"""What must hold between contracts: major versions of one family, and streams that share a topic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from lake.contracts.contract import Contract, Status, StreamKind


def find_clashes(contracts: Sequence[Contract]) -> Iterator[str]:
    """Yield what is wrong between contracts, one line each, naming the file to mend."""
    by_family = sorted(contracts, key=lambda c: (c.family, c.major))
    for _, members in groupby(by_family, key=lambda c: c.family):
        yield from _majors(tuple(members))
    subjects = sorted((c for c in contracts if c.subject), key=lambda c: c.subject)
    for subject, members in groupby(subjects, key=lambda c: c.subject):
        if len(names := [c.stream for c in members]) > 1:
            yield f"subject {subject} is that of {', '.join(names)}: give each a subject of its own"
    topics = sorted((c for c in contracts if c.kind is StreamKind.TOPIC), key=lambda c: (c.topic, c.family))
    for topic, members in groupby(topics, key=lambda c: c.topic):
        yield from _shared(topic, tuple(members))


def _majors(versions: tuple[Contract, ...]) -> Iterator[str]:
    """Each version but the newest says until when it is supported."""
    for contract in versions[:-1]:
        if contract.status is not Status.DEPRECATED or contract.end_of_support is None:
            yield (
                f"{contract.file}: {contract.family} {contract.version} is followed by"
                f" {versions[-1].version}: it needs status: deprecated and an endOfSupport in slaProperties"
            )
        if contract.kind is not versions[-1].kind:
            yield f"{contract.file}: all versions of {contract.family} are topics, or all are extracts"


def _shared(topic: str, contracts: tuple[Contract, ...]) -> Iterator[str]:
    """Streams of one topic are told apart by one header; exactly one takes what has none."""
    routes = {c.family: c.route for c in contracts}
    for contract in contracts:
        if contract.route != routes[contract.family]:
            yield f"{contract.file}: all versions of {contract.family} have the same route"
    if len(routes) == 1:
        return
    names = ", ".join(routes)
    if missing := [family for family, route in routes.items() if route is None]:
        yield f"topic {topic} is shared by {names}: {', '.join(missing)} needs a route"
        return
    found = [route for route in routes.values() if route is not None]
    if len({route.header for route in found}) > 1:
        yield f"topic {topic}: the routes of {names} name different headers"
    if len({route.value for route in found}) < len(found):
        yield f"topic {topic}: the routes of {names} have a value in common"
    if sum(route.otherwise for route in found) != 1:
        yield f"topic {topic}: exactly one route of {names} has otherwise: true"

"""Which stream of a topic a record belongs to: a pure function of its label and its place in the log.

A label is what the record says of itself: the value of the route's header, and the major version from
the schema in its frame or from the header `contract-version`. What the record holds is never tried
against contracts to find out: a contract may change, and then a record that one stream skipped as
another's would be nobody's. A stream that joins a topic owns its label from some offset on
(`since`, written by `lake contract deploy`); what lies before it stays with whom it belonged to.

    route     the family whose route has the value; none: the family that is `otherwise`; unknown: that
              family quarantines it
    version   the stream of that major version; none: the oldest; unknown: the newest quarantines it
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lake.contracts.contract import Contract
from lake.errors import HistoryError
from lake.types import Offset, Partition

VERSION_HEADER = "contract-version"
ROUTE = "route"  # the rule that a record with an unknown value of the header breaks
VERSION = "version"  # the rule that a record of an unknown major version breaks

Since = Mapping[Partition, Offset]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a record says of itself; None: nothing. A version that can't be read is -1."""

    route: str | None = None
    major: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The stream that a record belongs to; with a rule it is bad for that reason, whatever it holds."""

    stream: str
    rule: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One stream of a topic. `since`: the offset from which it owns its label, 0 where none stands."""

    stream: str
    family: str
    major: int
    route: str = ""
    otherwise: bool = True
    since: Since = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """All streams of one topic; `header` is that of their routes, empty when there is one family."""

    topic: str
    header: str
    members: tuple[Member, ...]

    @property
    def is_trivial(self) -> bool:
        """Tell whether every record belongs to the one stream, so that labels need not be read."""
        return len(self.members) == 1 and not self.header

    def owner(self, label: Label, partition: Partition, offset: Offset) -> Owner:
        """Return whose a record is; always the same for the same label and place."""
        members = [m for m in self.members if m.since.get(partition, 0) <= offset]
        rule = message = ""
        of_route = [m for m in members if m.route == label.route] if self.header else members
        if not of_route:
            of_route = [m for m in members if m.otherwise] or list(self.members)
            if label.route is not None:
                rule, message = ROUTE, f"no stream of the topic has the value of the header {self.header}"
        newest = max(of_route, key=lambda m: m.major)
        if label.major is None or rule:
            oldest = min(of_route, key=lambda m: m.major)
            return Owner(stream=oldest.stream, rule=rule, message=message)
        for member in of_route:
            if member.major == label.major:
                return Owner(stream=member.stream)
        said = "its version can't be read" if label.major < 0 else f"there is no version {label.major}"
        return Owner(stream=newest.stream, rule=VERSION, message=f"{said} of {newest.family} at this offset")


def route_topic(contracts: Iterable[Contract], topic: str) -> Routing:
    """Return the routing that contracts ask for; `since` comes from the tables (`with_since`)."""
    sharing = sorted((c for c in contracts if c.topic == topic), key=lambda c: (c.family, c.major))
    return Routing(
        topic=topic,
        header=next((c.route.header for c in sharing if c.route is not None), ""),
        members=tuple(
            Member(
                stream=c.stream,
                family=c.family,
                major=c.major,
                route=c.route.value if c.route else "",
                otherwise=c.route.otherwise if c.route else True,
            )
            for c in sharing
        ),
    )


def read_label(
    routing: Routing, headers: Sequence[tuple[str, bytes | None]], *, schema_major: int | None = None
) -> Label:
    """Return a record's label; `schema_major` is that of the schema in its frame, if that says one."""
    found = {name: value for name, value in headers if value is not None}
    route = found.get(routing.header) if routing.header else None
    version = found.get(VERSION_HEADER)
    major = schema_major
    if major is None and version is not None:
        digits = version.decode("ascii", "replace").removeprefix("v").split(".")[0]
        major = int(digits) if digits.isdigit() and len(digits) < 10 else -1
    return Label(route=None if route is None else route.decode("utf-8", "replace"), major=major)


def to_text(routing: Routing) -> str:
    """Return a routing as the tables of its streams keep it; the same routing gives the same text."""
    members = [
        {
            "stream": m.stream,
            "family": m.family,
            "major": m.major,
            "route": m.route,
            "otherwise": m.otherwise,
            "since": {str(p): o for p, o in sorted(m.since.items())},
        }
        for m in routing.members
    ]
    document = {"topic": routing.topic, "header": routing.header, "members": members}
    return json.dumps(document, separators=(",", ":"))


def from_text(text: str, *, table: str) -> Routing:
    """Read what `to_text` wrote; raises HistoryError when somebody damaged it."""
    try:
        found = json.loads(text)
        return Routing(
            topic=found["topic"], header=found["header"], members=tuple(map(_member, found["members"]))
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HistoryError(
            f"{table}: the routing in its properties is damaged: {text[:200]!r}",
            hint="restore the property ingest.routing from an older metadata file",
        ) from error


def _member(found: dict[str, Any]) -> Member:
    since = {Partition(int(p)): Offset(int(o)) for p, o in found["since"].items()}
    return Member(**{**found, "since": since})

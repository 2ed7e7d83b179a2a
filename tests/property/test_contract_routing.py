"""Routing: every record of a topic has one owner, and joining a topic moves nothing that lies before."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lake.contracts import Label, read_label
from lake.contracts.routing import Member, Routing, from_text, to_text
from lake.types import Offset, Partition

ROUTES = ("order", "refund", "visit")
labels = st.builds(
    Label,
    route=st.none() | st.sampled_from([*ROUTES, "unheard-of"]),
    major=st.none() | st.sampled_from([-1, 1, 2, 3, 4]),
)
places = st.tuples(st.sampled_from([Partition(0), Partition(1)]), st.integers(0, 60).map(Offset))


@st.composite
def routings(draw) -> Routing:
    """Draw a routing as deploys leave it: the first stream from the beginning, others from later on."""
    routed = draw(st.booleans())
    families = ROUTES[: draw(st.integers(1, 3))] if routed else ("order",)
    members = []
    for position, family in enumerate(families):
        for major in range(1, draw(st.integers(1, 3)) + 1):
            base = position == 0 and major == 1
            since = {} if base else {Partition(0): Offset(draw(st.integers(0, 50)))}
            members.append(
                Member(
                    stream=family if major == 1 else f"{family}_v{major}",
                    family=family,
                    major=major,
                    route=family if routed else "",
                    otherwise=position == 0,
                    since=since,
                )
            )
    return Routing(topic="t", header="type" if routed else "", members=tuple(members))


@given(routings(), labels, places)
def test_every_record_belongs_to_one_stream_and_a_label_is_obeyed(routing, label, place):
    """The owner is a member that has joined; where a member has exactly that label, it is the owner."""
    partition, offset = place
    joined = [m for m in routing.members if m.since.get(partition, 0) <= offset]

    owner = routing.owner(label, partition, offset)

    assert owner.stream in {m.stream for m in joined}
    exact = [m for m in joined if (not routing.header or m.route == label.route) and m.major == label.major]
    if exact:
        assert (owner.stream, owner.rule) == (exact[0].stream, "")
    if label == Label():
        assert (owner.stream, owner.rule) == ("order", "")
    if owner.rule:
        assert owner.message


@given(routings(), labels, places, st.data())
def test_a_stream_that_joins_takes_nothing_that_lies_before(routing, label, place, data):
    """Adding a member with `since` changes no owner below it, whatever the label."""
    partition, offset = place
    since = Offset(data.draw(st.integers(0, 60)))
    family = data.draw(st.sampled_from(sorted({m.family for m in routing.members})))
    like = next(m for m in routing.members if m.family == family)
    major = max(m.major for m in routing.members if m.family == family) + 1
    joining = replace(
        like, stream=f"{family}_v{major}", major=major, since={Partition(0): since, Partition(1): since}
    )
    after = replace(routing, members=(*routing.members, joining))

    changed = after.owner(label, partition, offset) != routing.owner(label, partition, offset)

    assert not (changed and offset < since)


@given(routings())
def test_a_routing_survives_being_kept_as_text(routing):
    """What a table keeps is what was written, byte for byte."""
    assert from_text(to_text(routing), table="raw.order") == routing
    assert to_text(from_text(to_text(routing), table="raw.order")) == to_text(routing)


def test_a_label_is_read_from_headers_and_the_schema_wins():
    """The header of the version may be `2`, `v2` or `2.1.0`; what is none of it is -1."""
    routing = Routing(topic="t", header="type", members=())

    def major(text: bytes, **given):
        return read_label(routing, [("contract-version", text)], **given).major

    assert [major(t) for t in (b"2", b"v2", b"2.1.0", b"two", b"\xff")] == [2, 2, 2, -1, -1]
    assert major(b"2", schema_major=1) == 1
    assert read_label(routing, [("type", b"order"), ("other", None)]) == Label(route="order")

"""The fence: under which contract a table may be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lake.contracts import (
    Contract,
    ContractMovedError,
    Fence,
    StreamKind,
    check_fence,
    digest,
    fence_properties,
    load_contracts,
    route_topic,
    table_routing,
)
from lake.contracts.fence import CONTRACT, DEPLOYING, ROUTING
from lake.errors import HistoryError, RefusedError
from lake.types import Field, Offset, Partition, Primitive

CONTRACTS = Path(__file__).parents[2] / "ingest" / "contracts"
FIRST = Contract(
    stream="orders",
    family="orders",
    version="1.0.0",
    kind=StreamKind.TOPIC,
    owner="shop",
    description="Orders.",
    fields=(Field(name="id", type=Primitive.STRING, required=True, description="Order."),),
    primary_key=("id",),
    topic="orders",
)
SECOND = replace(FIRST, stream="orders_v2", version="2.0.0")
ALONE = route_topic([FIRST], "orders")
BOTH = route_topic([FIRST, SECOND], "orders")


def test_a_writer_passes_with_the_contract_that_the_table_is_held_to():
    """Its own properties let it through; a table from before says so."""
    assert check_fence("raw.orders", fence_properties(FIRST, ALONE), FIRST, ALONE) is Fence.OWN
    assert check_fence("raw.orders", fence_properties(SECOND, BOTH), SECOND, BOTH) is Fence.OWN
    assert check_fence("raw.orders", {}, FIRST, ALONE) is Fence.UNCLAIMED


@pytest.mark.parametrize(
    ("properties", "deploying"),
    [
        (fence_properties(replace(FIRST, version="1.1.0")), False),
        (fence_properties(FIRST, BOTH), False),
        ({**fence_properties(FIRST), DEPLOYING: "orders_v2 2.0.0 abc"}, True),
    ],
)
def test_a_writer_with_another_contract_or_routing_is_stopped(properties, deploying):
    """The error names both and the next command, and whether waiting helps."""
    with pytest.raises(ContractMovedError, match=r"raw\.orders (is held|waits)") as caught:
        check_fence("raw.orders", properties, FIRST, ALONE)

    assert caught.value.deploying is deploying
    assert "lake contract deploy" in caught.value.hint


def test_a_finished_deploy_leaves_no_trace_that_stops():
    """A property can't be removed in every catalog, so an empty one is none."""
    properties = {**fence_properties(FIRST), DEPLOYING: ""}

    assert check_fence("raw.orders", properties, FIRST, ALONE) is Fence.OWN


def test_the_digest_sees_what_decides_and_no_words():
    """Types, rules and keys count; descriptions, owners and files do not."""
    number = Field(name="id", type=Primitive.LONG, required=True)
    other_words = replace(
        FIRST, owner="x", description="y", file="z", fields=(replace(FIRST.fields[0], description="w"),)
    )

    assert digest(other_words) == digest(FIRST)
    assert digest(replace(FIRST, fields=(number,))) != digest(FIRST)
    assert digest(replace(FIRST, primary_key=())) != digest(FIRST)
    assert digest(replace(FIRST, version="1.0.1")) != digest(FIRST)


def test_a_stream_goes_by_the_routing_that_its_table_has():
    """What the contracts ask for beyond it is not deployed yet."""
    since = replace(
        BOTH, members=(BOTH.members[0], replace(BOTH.members[1], since={Partition(0): Offset(5)}))
    )
    held = fence_properties(FIRST, since)

    assert table_routing("orders", held, {"orders_v2": {}}, BOTH) == since
    assert table_routing("orders", {CONTRACT: "x"}, {"orders_v2": None}, BOTH) == ALONE
    assert table_routing("orders", None, {"orders_v2": None}, BOTH) == BOTH
    assert table_routing("orders_v2", None, {"orders": held}, BOTH) == since


def test_a_stream_can_not_join_a_topic_that_lands_already_without_a_deploy():
    """It would take what the other one has taken."""
    with pytest.raises(RefusedError, match="shares topic orders with orders") as caught:
        table_routing("orders_v2", None, {"orders": {}}, BOTH)

    assert caught.value.hint == "lake contract deploy orders_v2"


def test_a_damaged_routing_stops():
    """It is never taken for none."""
    with pytest.raises(HistoryError, match="damaged"):
        table_routing("orders", {ROUTING: '{"topic": 1}'}, {}, BOTH)


def test_digests_do_not_move():
    """Tables name them: another digest would stop every stream after an upgrade."""
    found = {c.stream: digest(c) for c in load_contracts(CONTRACTS)}

    assert found == {
        "campaign_descriptions": "bb8951867f94c745",
        "campaigns": "3ff555b25a4b0d1a",
        "coupon_redemptions": "cdc7ffee2f1fe192",
        "coupons": "db3831981e0c08bd",
        "demographics": "2d1be2f9070b68ea",
        "products": "246bfb32e40d45f9",
        "promotions": "eb0ef9562e5686e4",
        "transactions": "173bc3673cafd713",
    }

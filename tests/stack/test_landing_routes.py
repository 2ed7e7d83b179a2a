"""One topic, several streams: each record is landed or quarantined by exactly one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.landing import run_streams
from ingest.positions import read_positions
from lake.broker import create_topic, describe_topic
from lake.catalog import load_table, open_catalog
from lake.contracts import Contract, Route
from lake.errors import RefusedError
from lake.settings import Settings
from lake.types import Field, Offset, Partition, Primitive, TableName
from tests.fakes.streams import produce, rows, topic_contract
from tests.fakes.topic_world import landed

pytestmark = pytest.mark.stack

ORDERS = topic_contract(
    "orders",
    (Field(name="id", type=Primitive.LONG), Field(name="at", type=Primitive.TIMESTAMPTZ)),
    topic="shop",
    subject="shop-orders",
    event_time="at",
    route=Route(header="type", value="order", otherwise=True),
)
REFUNDS = replace(
    ORDERS,
    stream="refunds",
    family="refunds",
    subject="shop-refunds",
    route=Route(header="type", value="refund"),
)
SECOND = replace(ORDERS, stream="orders_v2", version="2.0.0", subject="shop-orders_v2")


@pytest.fixture
def settings(lake_settings: Settings) -> Settings:
    create_topic(lake_settings.broker, "shop", partitions=1)
    return lake_settings


def send(settings: Settings, *records: tuple[int, dict[str, bytes]]) -> None:
    values = [b'{"id": %d, "at": "2025-01-01T00:00:00Z"}' % number for number, _ in records]
    produce(settings, "shop", *values, headers=[headers for _, headers in records])


def ids(settings: Settings, contract: Contract) -> list[int]:
    return sorted(row["id"] for row in rows(settings, settings.landing.raw_schema, contract))


def refused(settings: Settings, contract: Contract) -> dict[int, str]:
    found = rows(settings, settings.landing.quarantine_schema, contract)
    return {row["offset"]: row["reason"] for row in found}


def test_every_record_of_a_shared_topic_is_one_streams(settings: Settings) -> None:
    """By its header; without one it is the stream's that takes the rest and refuses unknown values."""
    kinds = [b"order", b"refund", None, b"parcel"]
    send(settings, *((n, {"type": kind} if (kind := kinds[n % 4]) else {}) for n in range(40)))
    project = (ORDERS, REFUNDS)
    assert landed(run_streams(settings, project)) == (30, 10)
    assert ids(settings, ORDERS) == [n for n in range(40) if n % 4 in {0, 2}]
    assert ids(settings, REFUNDS) == [n for n in range(40) if n % 4 == 1]
    assert refused(settings, ORDERS) == {n: "route" for n in range(40) if n % 4 == 3}
    send(settings, (40, {"type": b"order"}), (41, {"type": b"refund"}))
    assert landed(run_streams(settings, [REFUNDS], project=project)) == (1, 0)
    assert landed(run_streams(settings, [ORDERS], project=project)) == (1, 0)
    assert landed(run_streams(settings, project)) == (0, 0)
    assert ids(settings, ORDERS)[-1] == 40
    assert ids(settings, REFUNDS)[-1] == 41


def test_versions_side_by_side_take_each_their_own(settings: Settings) -> None:
    """By the header contract-version; without it a record is the oldest's, and an unknown one is refused."""
    versions = [b"1.2.0", b"2", None, b"v2.1", b"3.0.0", b"new"]
    send(settings, *((n, {"contract-version": v} if (v := versions[n % 6]) else {}) for n in range(24)))
    project = (replace(ORDERS, route=None), replace(SECOND, route=None))
    assert landed(run_streams(settings, project)) == (16, 8)
    assert ids(settings, ORDERS) == [n for n in range(24) if n % 6 in {0, 2}]
    assert ids(settings, SECOND) == [n for n in range(24) if n % 6 in {1, 3}]
    assert refused(settings, SECOND) == {n: "version" for n in range(24) if n % 6 in {4, 5}}


def test_a_stream_joins_a_topic_that_lands_already_only_by_a_deploy(settings: Settings) -> None:
    """Else it would take what is another's; what lands goes on."""
    alone = replace(ORDERS, route=None)
    send(settings, (1, {"type": b"order"}), (2, {"type": b"refund"}))
    assert landed(run_streams(settings, [alone])) == (2, 0)
    send(settings, (3, {"type": b"refund"}))
    with pytest.raises(RefusedError, match="shares topic shop") as caught:
        run_streams(settings, (ORDERS, REFUNDS))
    assert "lake contract deploy refunds" in caught.value.hint


def test_a_position_moves_over_the_records_of_others(settings: Settings) -> None:
    """A stream of few records must not read the whole topic again with each run."""
    send(settings, *((n, {"type": b"order"}) for n in range(50)))
    run_streams(settings, (ORDERS, REFUNDS))
    state = load_table(open_catalog(settings), TableName(schema=settings.landing.raw_schema, name="refunds"))
    topic = describe_topic(settings.broker, "shop")
    assert state is not None
    assert topic is not None
    stored = read_positions(state, cluster=settings.broker.cluster, topic_id=topic.id)
    assert stored[Partition(0)].offset == Offset(50)
    assert state.rows == 0

"""A gateway over the real broker and database, and the topic's own word about what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from starlette.testclient import TestClient

from ingest.gateway.app import build_app
from ingest.gateway.service import new_key
from lake.broker import Topic, describe_topic
from lake.contracts import Contract
from lake.settings import Settings
from tests.fakes.topic_world import STREAM, transactions

PATH = f"/v1/streams/{STREAM}"
NDJSON = "application/x-ndjson"


def basket_line(number: int, **changes: Any) -> dict[str, Any]:
    """Return a record that the contract accepts."""
    return {
        "household_id": 1 + number % 2500,
        "store_id": 1 + number % 500,
        "basket_id": 40_000_000_000 + number,
        "product_id": 1 + number,
        "quantity": 1,
        "sales_value": 2.5,
        "retail_disc": 0.0,
        "coupon_disc": 0.0,
        "coupon_match_disc": 0.0,
        "week": 1 + number % 53,
        "transaction_timestamp": "2025-03-04T05:06:07Z",
        **changes,
    }


@dataclass(slots=True)
class GatewayWorld:
    """A running gateway, a client with a key of its own, and what the topic holds."""

    settings: Settings
    client: TestClient
    key_id: str

    def post(self, content: Any, *, headers: Mapping[str, str] | None = None, query: str = "") -> Any:
        """Send JSON (what is no bytes is written as such) and return the response."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        kind = {"content-type": "application/json"}
        return self.client.post(PATH + query, content=body, headers={**kind, **(headers or {})})

    def topic(self) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
        """Return key, value and headers of every record in the topic."""
        return read_topic(self.settings)

    def baskets(self) -> list[int]:
        """Return the basket of every record in the topic, sorted."""
        return sorted(json.loads(value or b"")["basket_id"] for _, value, _ in self.topic())


def read_topic(settings: Settings) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    """Read the whole topic with a client of its own."""
    topic: Topic | None = describe_topic(settings.broker, transactions().topic)
    if topic is None:
        return []
    consumer = Consumer(
        {
            "bootstrap.servers": settings.broker.bootstrap_servers,
            "group.id": "gateway-oracle",
            "fetch.wait.max.ms": 50,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic.name, partition, 0) for partition in topic.partitions])
    found: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []
    ended: set[int] = set()
    while len(ended) < len(topic.partitions):
        for message in consumer.consume(5000, 0.1):
            if message.error() is not None:
                ended.add(message.partition())
            else:
                found.append((message.key(), message.value(), dict(message.headers() or [])))
    consumer.close()
    return found


@contextmanager
def running_gateway(
    settings: Settings,
    *,
    contracts: Sequence[Contract] = (),
    streams: tuple[str, ...] = ("*",),
    rate: int = 100_000,
) -> Iterator[GatewayWorld]:
    """Run a gateway in this process for the block, with a key; by default for basket lines alone."""
    contracts = contracts or [transactions()]
    kept, made = new_key(settings, contracts, name="test", streams=streams, records_per_second=rate)
    with TestClient(build_app(settings, contracts)) as client:
        client.headers["authorization"] = f"Bearer {made.token}"
        yield GatewayWorld(settings=settings, client=client, key_id=kept.key_id)

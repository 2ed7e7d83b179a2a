"""A topic with known records, and an oracle that compares it with the tables by itself."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from ingest.report import StreamReport
from lake.broker import create_topic
from lake.broker.client import client_configuration
from lake.catalog import LakeCatalog, load_table, open_catalog
from lake.contracts import Contract, load_contracts
from lake.settings import Settings
from lake.types import TableName

ROOT = Path(__file__).parents[2]
STREAM = "transactions"
PARTITIONS = 3
POISON = (
    b'{"household_id":3.7}',
    b"not json",
    b"",
    b'{"household_id":1,"household_id":2}',
    b'{"a":1}\n{"b":2}',
    b"\xff\xfe",
)
_START = datetime(2025, 1, 1, tzinfo=UTC)
_MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")


@cache
def transactions() -> Contract:
    """Return the demo's contract of basket lines."""
    return next(c for c in load_contracts(ROOT / "ingest" / "contracts") if c.stream == STREAM)


@dataclass(slots=True)
class TopicWorld:
    """One test's topic: `produce` writes records of which a few are poison, `check` proves the landing."""

    settings: Settings
    seed: int = 1
    poison_every: int = 97
    contract: Contract = field(default_factory=transactions)
    produced: int = 0

    def __post_init__(self) -> None:
        create_topic(self.settings.broker, self.contract.topic, partitions=PARTITIONS)

    @property
    def topic(self) -> str:
        return f"{self.settings.broker.topic_prefix}{self.contract.topic}"

    def produce(self, count: int) -> None:
        """Write `count` records more."""
        producer = Producer(
            {
                **client_configuration(self.settings.broker),
                "linger.ms": 5,
                "retries": 0,  # `check` counts the log; idempotence would cost half a second
            }
        )
        draw = random.Random(f"{self.seed}/{self.produced}")
        for number in range(self.produced, self.produced + count):
            moment = _START + timedelta(minutes=number)
            value = (
                draw.choice(POISON)
                if number % self.poison_every == self.poison_every - 1
                else record(number, moment, draw)
            )
            producer.produce(
                self.topic,
                value,
                str(number),
                partition=draw.randrange(PARTITIONS),
                timestamp=int(moment.timestamp() * 1000),
            )
            producer.poll(0)
        assert producer.flush(30) == 0
        self.produced += count

    def log(self) -> dict[tuple[int, int], bytes | None]:
        """Read the whole topic with a client of its own."""
        consumer = Consumer(
            {
                **client_configuration(self.settings.broker),
                "group.id": "oracle",
                "fetch.wait.max.ms": 50,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        consumer.assign([TopicPartition(self.topic, p, 0) for p in range(PARTITIONS)])
        found: dict[tuple[int, int], bytes | None] = {}
        ended: set[int] = set()
        while len(ended) < PARTITIONS:
            for message in consumer.consume(5000, 0.1):
                if message.error() is not None:
                    ended.add(message.partition())
                else:
                    found[message.partition(), message.offset()] = message.value()
        consumer.close()
        return found

    def raw(self, catalog: LakeCatalog | None = None) -> list[dict[str, Any]]:
        return self._rows(self.settings.landing.raw_schema, catalog)

    def quarantined(self, catalog: LakeCatalog | None = None) -> list[dict[str, Any]]:
        return self._rows(self.settings.landing.quarantine_schema, catalog)

    def _rows(self, schema: str, catalog: LakeCatalog | None) -> list[dict[str, Any]]:
        name = TableName(schema=schema, name=self.contract.stream)
        state = load_table(catalog or open_catalog(self.settings), name)
        if state is None:
            return []
        rows: list[dict[str, Any]] = state.handle.scan().to_arrow().to_pylist()
        return rows

    def check(self) -> None:
        """Every produced record is in exactly one of table and quarantine, once, with its values."""
        log, raw, quarantined = self.log(), self.raw(), self.quarantined()
        assert len(log) == self.produced
        landed = Counter((r["meta"]["partition"], r["meta"]["offset"]) for r in raw)
        refused = Counter((r["partition"], r["offset"]) for r in quarantined)
        assert [c for c, n in landed.items() if n > 1] == []
        assert [c for c, n in refused.items() if n > 1] == []
        assert landed.keys() & refused.keys() == set()
        assert landed.keys() | refused.keys() == log.keys()
        for row in raw:
            assert fingerprint(row) == wanted(log[row["meta"]["partition"], row["meta"]["offset"]])
        for row in quarantined:
            assert row["value"] == log[row["partition"], row["offset"]]
            assert row["reason"] == row["rules"][0]["rule"]
        expected_poison = sum(1 for value in log.values() if value in POISON)
        assert len(quarantined) == expected_poison


def record(number: int, moment: datetime, draw: random.Random) -> bytes:
    """Return one basket line as the tills write it."""
    money = ",".join(f'"{name}":{draw.randrange(10_000) / 100:.2f}' for name in _MONEY)
    return (
        f'{{"household_id":{1 + number % 2500},"store_id":{1 + number % 500},'
        f'"basket_id":{31_198_570_044 + number},"product_id":{1 + draw.randrange(10**6)},'
        f'"quantity":{draw.randrange(4)},{money},"week":{1 + number % 53},'
        f'"transaction_timestamp":"{moment:%Y-%m-%dT%H:%M:%SZ}"}}'
    ).encode()


def wanted(value: bytes | None) -> int:
    """Hash what the log says, read by the standard library."""
    document = json.loads(value or b"", parse_float=Decimal)
    return fingerprint(
        {
            **document,
            **{name: Decimal(document[name]) for name in _MONEY},
            "transaction_timestamp": datetime.fromisoformat(document["transaction_timestamp"]),
        }
    )


def fingerprint(row: dict[str, Any]) -> int:
    """Hash the values of a row; a column that later versions added is null in it."""
    return hash(tuple(sorted((n, value) for n, value in row.items() if n != "meta" and value is not None)))


def landed(reports: tuple[StreamReport, ...]) -> tuple[int, int]:
    """Return the sums of landed and quarantined records."""
    return sum(r.landed for r in reports), sum(r.quarantined for r in reports)

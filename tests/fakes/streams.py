"""A stream of few words: its contract, what is produced to its topic, what its tables hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from confluent_kafka import Producer

from lake.catalog import load_table, open_catalog
from lake.contracts import Contract, StreamKind
from lake.settings import Settings
from lake.types import Field, TableName


def topic_contract(stream: str, fields: tuple[Field, ...], **given: Any) -> Contract:
    """Return the contract of a topic of the stream's name, with the key `id`; `given` replaces anything."""
    plain: dict[str, Any] = {
        "stream": stream,
        "family": stream,
        "version": "1.0.0",
        "kind": StreamKind.TOPIC,
        "owner": "test",
        "description": f"{stream.title()}.",
        "topic": stream,
        "subject": f"{stream}-value",
        "primary_key": ("id",),
        "fields": fields,
    }
    return Contract(**plain | given)


def produce(
    settings: Settings,
    topic: str,
    *values: bytes | None,
    partition: int = 0,
    headers: Sequence[Mapping[str, bytes]] = (),
) -> None:
    """Write records to one partition of a contract's topic, each with its headers if there are any."""
    producer = Producer({"bootstrap.servers": settings.broker.bootstrap_servers})
    name = f"{settings.broker.topic_prefix}{topic}"
    for value, own in zip_longest(values, headers, fillvalue={}):
        producer.produce(name, value, partition=partition, headers=list(own.items()))
    assert producer.flush(30) == 0


def rows(settings: Settings, schema: str, contract: Contract) -> list[dict[str, Any]]:
    """Return every row of one of the stream's tables."""
    state = load_table(open_catalog(settings), TableName(schema=schema, name=contract.stream))
    assert state is not None
    found: list[dict[str, Any]] = state.handle.scan().to_arrow().to_pylist()
    return found

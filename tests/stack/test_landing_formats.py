"""Avro and Protobuf from the broker into tables, their schemas from a registry that has its moods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as Number
from io import BytesIO
from typing import Any

import fastavro
import pytest

from ingest.landing import run_streams
from lake.broker import create_topic
from lake.contracts import Format, Framing, parse_contract
from lake.contracts.derive import avro_schema, registered_schema
from lake.errors import UnavailableError
from lake.settings import Settings
from tests.fakes.framed_orders import CONTRACT, FIRST, SECOND, avro, order
from tests.fakes.registry import FakeRegistry, fake_registry
from tests.fakes.streams import produce, rows
from tests.fakes.topic_world import landed

pytestmark = pytest.mark.stack


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as made:
        yield made


@pytest.fixture
def settings(lake_settings: Settings, registry: FakeRegistry) -> Settings:
    create_topic(lake_settings.broker, CONTRACT.topic, partitions=2)
    return lake_settings.model_copy(update={"registry": registry.settings()})


def send(settings: Settings, *values: bytes | None, partition: int = 0) -> None:
    produce(settings, CONTRACT.topic, *values, partition=partition)


def raw(settings: Settings) -> list[dict[str, Any]]:
    return sorted(rows(settings, settings.landing.raw_schema, CONTRACT), key=lambda row: row["id"])


def quarantined(settings: Settings) -> list[dict[str, Any]]:
    found = rows(settings, settings.landing.quarantine_schema, CONTRACT)
    return sorted(found, key=lambda row: row["offset"])


def test_records_of_several_schemas_land_and_what_is_none_is_quarantined(
    settings: Settings, registry: FakeRegistry
) -> None:
    """Old and new schema mixed; bytes too many, a bad frame, a schema that can't fit, one that isn't."""
    registry.register(1, json.dumps(FIRST))
    registry.register(2, json.dumps(SECOND))
    wrong = {**FIRST, "fields": [{"name": "id", "type": "string"}]}
    registry.register(3, json.dumps(wrong))
    registry.register(4, '{"type": "object"}', "JSON")
    good = [
        avro(2, SECOND, **order(n), note="hello") if n % 2 else avro(1, FIRST, **order(n)) for n in range(60)
    ]
    bad = [
        good[0] + b"\x00",
        good[1][:-1],
        b"\x01" + good[2][1:],
        None,
        avro(3, wrong, id="x"),
        b"\x00\x00\x00\x00\x04{}",
        b"\x00\x00\x00\x00\x63\x02",
    ]
    send(settings, *good[:30], *bad)
    send(settings, *good[30:], partition=1)
    assert landed(run_streams(settings, [CONTRACT])) == (60, len(bad))
    found = raw(settings)
    assert [(row["id"], row["note"], str(row["amount"])) for row in found] == [
        (n, "hello" if n % 2 else None, f"{n}.25") for n in range(60)
    ]
    assert found[7]["ordered_at"].timestamp() == 1_700_000_000.007
    refused = quarantined(settings)
    assert [row["value"] for row in refused] == bad
    assert [row["reason"] for row in refused] == [
        "avro",
        "avro",
        "frame",
        "empty",
        "schema",
        "schema",
        "schema",
    ]
    assert "registry has no schema 99" in refused[-1]["rules"][0]["message"]


def test_a_schema_that_comes_late_is_waited_for_while_others_land(
    settings: Settings, registry: FakeRegistry
) -> None:
    """The stream is held, its record is no poison, and the next stream does not wait for it."""
    other = replace(
        CONTRACT, stream="plain", family="plain", topic="plain", format=Format.JSON, framing=Framing.PLAIN
    )
    create_topic(settings.broker, other.topic, partitions=1)
    produce(settings, "plain", b'{"id": 1}')
    send(settings, *(avro(5, FIRST, **order(n)) for n in range(20)))
    patient = settings.model_copy(update={"registry": registry.settings(wait_seconds=60)})
    seen = threading.Event()
    reports: list[Any] = []

    def observe(progress: Any) -> None:
        if progress.stream == "plain":
            seen.set()

    thread = threading.Thread(
        target=lambda: reports.extend(run_streams(quick(patient), [CONTRACT, other], observer=observe))
    )
    thread.start()
    assert seen.wait(60), "the other stream waited too"
    registry.register(5, json.dumps(FIRST))
    thread.join(60)
    assert [(r.landed, r.quarantined) for r in reports] == [(20, 0), (1, 0)]


def quick(settings: Settings) -> Settings:
    landing = settings.landing.model_copy(update={"commit_seconds": 0.2})
    return settings.model_copy(update={"landing": landing})


def test_a_registry_that_is_down_ends_landing_with_its_name_and_nothing_is_lost(
    settings: Settings, registry: FakeRegistry
) -> None:
    """It says nothing about the record: that one waits in the topic, and lands once the registry is back."""
    registry.register(1, json.dumps(FIRST))
    send(settings, avro(1, FIRST, **order(1)))
    assert landed(run_streams(settings, [CONTRACT])) == (1, 0)
    registry.status = 503
    send(settings, avro(1, FIRST, **order(2)))
    with pytest.raises(UnavailableError, match="registry"):
        run_streams(settings, [CONTRACT])
    registry.status, registry.delay_seconds = 0, 0.3
    assert landed(run_streams(settings, [CONTRACT])) == (1, 0)
    assert [row["id"] for row in raw(settings)] == [1, 2]


def test_a_registry_that_is_down_stops_no_record_whose_schema_is_known(
    settings: Settings, registry: FakeRegistry
) -> None:
    """What was found once stays found for as long as the process lives."""
    registry.register(1, json.dumps(FIRST))
    send(settings, *(avro(1, FIRST, **order(n)) for n in range(20)))
    stop = threading.Event()

    def observe(progress: Any) -> None:
        if not registry.status:
            registry.status = 503
            send(settings, *(avro(1, FIRST, **order(n)) for n in range(20, 40)))
        if progress.landed == 40:
            stop.set()

    reports = run_streams(quick(settings), [CONTRACT], follow=True, stop=stop, observer=observe)

    assert landed(reports) == (40, 0)
    assert [row["id"] for row in raw(settings)] == list(range(40))


PROTO = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Order {
  int64 id = 1; optional string amount = 2;
  google.protobuf.Timestamp ordered_at = 3; optional string note = 4;
}
"""


def test_protobuf_lands_by_the_message_that_its_frame_names(
    settings: Settings, registry: FakeRegistry
) -> None:
    """A schema of the registry, compiled here; a frame that names no message is refused."""
    registry.register(9, PROTO, "PROTOBUF")
    contract = replace(CONTRACT, format=Format.PROTOBUF)
    head = b"\x00\x00\x00\x00\x09\x00"
    order_1 = b"\x08\x01\x12\x041.25\x1a\x06\x08\x80\xe2\xcf\xaa\x06"
    send(settings, head + order_1, head + b"\x08\x02", head[:-1] + b"\x02\x09" + order_1, head + b"\x0a")
    assert landed(run_streams(settings, [contract])) == (2, 2)
    found = raw(settings)
    assert [(row["id"], row["amount"], row["note"]) for row in found] == [
        (1, Number("1.25"), None),
        (2, None, None),
    ]
    assert found[0]["ordered_at"].timestamp() == 1_700_000_000
    reasons = {row["offset"]: row["reason"] for row in quarantined(settings)}
    assert reasons == {2: "schema", 3: "protobuf"}


@pytest.mark.parametrize("written", [Format.AVRO, Format.PROTOBUF], ids=lambda f: f.value)
def test_without_a_frame_the_contract_itself_is_the_schema(settings: Settings, written: Format) -> None:
    """What Confluent's or anybody's library writes by the contract's own schema."""
    contract = replace(CONTRACT, format=written, framing=Framing.PLAIN)
    if written is Format.AVRO:
        schema = fastavro.parse_schema(json.loads(avro_schema(contract)))
        out = BytesIO()
        moment = datetime.fromtimestamp(1_700_000_000, UTC)
        fastavro.schemaless_writer(out, schema, {"id": 7, "amount": Number("0.50"), "ordered_at": moment})
        body = out.getvalue()
    else:
        body = b"\x08\x07\x12\x040.50\x1a\x06\x08\x80\xe2\xcf\xaa\x06"
    send(settings, body)
    assert landed(run_streams(settings, [contract])) == (1, 0)
    (row,) = raw(settings)
    assert (row["id"], row["amount"], row["ordered_at"].timestamp()) == (7, Number("0.50"), 1_700_000_000)


DOCUMENT = """
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
status: active
description: {purpose: Orders.}
team: {name: test}
schema:
  - name: orders
    logicalType: object
    physicalType: topic
    physicalName: orders
    customProperties:
      - {property: format, value: avro}
      - {property: eventTime, value: ordered_at}
    properties:
      - {name: id, logicalType: integer, primaryKey: true, required: true}
      - {name: ordered_at, logicalType: timestamp}
"""


def test_without_a_registry_the_contracts_give_schemas_and_ids(lake_settings: Settings) -> None:
    """What a producer writes with the ids of the gateway lands, though nobody serves a registry."""
    contract = parse_contract(DOCUMENT)
    create_topic(lake_settings.broker, contract.topic, partitions=1)
    schema = registered_schema(contract)
    out = BytesIO()
    row = {"id": 7, "ordered_at": datetime.fromtimestamp(1_700_000_000, UTC)}
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(schema.text)), row)
    head = b"\x00" + schema.id.to_bytes(4, "big")
    send(lake_settings, head + out.getvalue(), b"\x00\x00\x00\x00\x01" + out.getvalue())
    assert landed(run_streams(lake_settings, [contract])) == (1, 1)
    (found,) = raw(lake_settings)
    assert (found["id"], found["ordered_at"].timestamp()) == (7, 1_700_000_000)

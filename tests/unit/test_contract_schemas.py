"""Registry schemas: what they refuse, their ids, and how a version is known by its schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from lake.contracts import load_contracts, parse_contract
from lake.contracts.derive import (
    RegisteredSchema,
    check_ids,
    json_schema,
    protobuf_descriptor,
    protobuf_text,
    registered_schema,
    schema_id,
    schema_major,
)
from lake.contracts.derive.registered import SchemaType
from lake.contracts.document import ContractError
from lake.errors import ConfigurationError
from tests.fakes.orders_contract import with_custom
from tests.unit.test_contract_files import NESTED

CONTRACTS = Path(__file__).parents[2] / "ingest" / "contracts"
GOOD = {"id": "O1", "placed_at": "2025-01-01T00:00:00Z", "total": 5, "address": {"city": "Ulm"}}


def valid(record: dict) -> bool:
    schema = json.loads(json_schema(parse_contract(NESTED)))
    return jsonschema.Draft7Validator(schema).is_valid(record)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1"},
        {"id": None},
        {"placed_at": "2025-01-01"},
        {"placed_at": None},
        {"total": 0},
        {"total": "five"},
        {"pieces": 2**31},
        {"pieces": 1.5},
        {"paid": "yes"},
        {"address": {}},
        {"address": {"city": "x" * 81}},
        {"tags": [1]},
        {"extras": {"a": "b"}},
    ],
)
def test_json_schema_refuses_what_its_language_can_say(change: dict):
    """Types, ranges, patterns, lengths and required members, also inside objects, lists and maps."""
    assert valid(GOOD)
    assert not valid(GOOD | change)


def test_schema_ids_do_not_move():
    """Records in topics name these numbers: another id would be another schema to their readers."""
    ids = {c.stream: registered_schema(c).id for c in load_contracts(CONTRACTS) if c.topic}
    avro = parse_contract(with_custom("property: format, value: avro"))
    proto = parse_contract(with_custom("property: format, value: protobuf"))

    assert ids == {"coupon_redemptions": 913_717_620, "transactions": 1_005_282_057}
    assert (registered_schema(avro).id, registered_schema(proto).id) == (694_400_690, 1_113_840_347)


def test_two_schemas_with_one_id_are_refused():
    """Readers could not tell them apart; the same one twice is no matter."""
    one = registered_schema(parse_contract(NESTED))
    clash = RegisteredSchema(subject="other", id=one.id, type=one.type, text="{}")

    assert check_ids([one, one]) == {one.id: one}
    with pytest.raises(ConfigurationError, match=f"the same id {one.id}"):
        check_ids([one, clash])
    assert schema_id("a", "{}") != schema_id("b", "{}")


@pytest.mark.parametrize("written", ["json", "avro", "protobuf"])
def test_a_schema_says_of_which_major_version_it_is(written: str):
    """By the name of its record; a producer's own schema says nothing."""
    first = parse_contract(with_custom(f"property: format, value: {written}"))
    second = replace(first, version="2.1.0", stream="orders_v2")

    majors = [
        schema_major((s := registered_schema(c)).type, s.text, "orders", (1, 2)) for c in (first, second)
    ]

    assert majors == [1, 2]
    assert schema_major(SchemaType.AVRO, '{"type":"record","name":"Order"}', "orders", (1, 2)) is None
    assert schema_major(SchemaType.AVRO, '"string"', "orders", (1, 2)) is None


def test_protobuf_numbers_are_places_unless_they_are_fixed():
    """A field moved to another place keeps a fixed number."""
    text = with_custom("property: format, value: protobuf").replace(
        "{name: total,", "{name: total, customProperties: [{property: fieldNumber, value: 9}],"
    )
    contract = parse_contract(text)

    assert {f.name: f.number for f in protobuf_descriptor(contract).message_type[0].field} == {
        "id": 1, "placed_at": 2, "total": 9, "pieces": 4
    }  # fmt: skip
    assert "optional string total = 9;" in protobuf_text(contract)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (
            "{name: x, logicalType: array, items: {logicalType: array, items: {logicalType: string}}}",
            "x nests lists",
        ),
        ("{name: pie_ces, logicalType: integer}", "one name in Protobuf's JSON"),
        ("{name: x, logicalType: string, customProperties: [{property: fieldNumber, value: 1}]}", "number 1"),
        (
            "{name: x, logicalType: string, customProperties: [{property: fieldNumber, value: 19001}]}",
            "keeps for itself",
        ),
    ],
)  # fmt: skip
def test_what_protobuf_can_not_write_is_refused_when_the_contract_is_read(column: str, says: str):
    """The first record would be too late."""
    text = with_custom("property: format, value: protobuf") + f"      - {column}\n"

    with pytest.raises(ContractError, match=says):
        parse_contract(text)

"""Contracts: what is read, and what is refused with file, line and key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as Number
from pathlib import Path

import pytest

from lake.contracts import RuleKind, StreamKind, Transform, load_contracts, parse_contract
from lake.contracts.document import ContractError
from lake.contracts.external import external_models, is_current, write_external_models
from lake.errors import ConfigurationError
from lake.types import Decimal, Field, ListOf, MapOf, Primitive, Struct

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "ingest" / "contracts"

NESTED = """\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 2.1.0
description: {purpose: Orders of the shop.}
team: {name: shop}
slaProperties:
  - {property: freshness, value: 15, unit: min}
  - {property: completeness, value: 99.5, unit: percent}
schema:
  - name: orders
    physicalType: topic
    physicalName: shop.orders
    customProperties:
      - {property: eventTime, value: placed_at}
      - {property: colour, value: red, vendor: somebody_else}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true,
         logicalTypeOptions: {pattern: '^O[0-9]+$'}}
      - {name: placed_at, logicalType: timestamp, required: true, partitioned: true}
      - {name: total, logicalType: number, physicalType: 'decimal(12,2)', logicalTypeOptions: {minimum: 0.01}}
      - {name: weight, logicalType: number}
      - {name: pieces, logicalType: integer}
      - {name: paid, logicalType: boolean}
      - name: address
        logicalType: object
        tags: [PII]
        properties:
          - {name: city, logicalType: string, required: true, logicalTypeOptions: {maxLength: 80}}
      - {name: tags, logicalType: array, items: {logicalType: string}}
      - name: extras
        logicalType: map
        map: {key: {logicalType: string}, value: {logicalType: integer, logicalTypeOptions: {format: i64}}}
      - {name: note, logicalType: string, unique: true}
"""


def test_the_projects_contracts_can_be_read():
    """All eight streams of the demo, sorted, with key, owner and description."""
    contracts = load_contracts(CONTRACTS)

    assert [c.stream for c in contracts] == sorted(
        ["transactions", "coupon_redemptions", "products", "demographics", "campaigns", "coupons",
         "campaign_descriptions", "promotions"]
    )  # fmt: skip
    for contract in contracts:
        assert contract.owner
        assert contract.description
        assert set(contract.primary_key) <= set(contract.columns)
        assert all(f.description for f in contract.fields)
        assert contract.freshness is not None


def test_a_topic_carries_its_key_partition_and_event_time():
    """What the landing of transactions needs is in the value."""
    contract = next(c for c in load_contracts(CONTRACTS) if c.stream == "transactions")

    assert contract.kind is StreamKind.TOPIC
    assert (contract.topic, contract.key, contract.subject) == (
        "transactions",
        "household_id",
        "transactions-value",
    )
    assert contract.event_time == "transaction_timestamp"
    (cut,) = contract.partition
    assert (cut.column, cut.transform) == ("transaction_timestamp", Transform.MONTH)
    assert contract.column("sales_value").type == Decimal(precision=12, scale=2)
    assert contract.pii == {"household_id"}


def test_every_logical_type_becomes_a_neutral_one():
    """Objects, arrays, maps and options of the standard are translated."""
    contract = parse_contract(NESTED)
    city = Field(name="city", type=Primitive.STRING, required=True)

    assert {f.name: f.type for f in contract.fields} == {
        "id": Primitive.STRING,
        "placed_at": Primitive.TIMESTAMPTZ,
        "total": Decimal(precision=12, scale=2),
        "weight": Primitive.DOUBLE,
        "pieces": Primitive.INT,
        "paid": Primitive.BOOLEAN,
        "address": Struct(fields=(city,)),
        "tags": ListOf(element=Primitive.STRING),
        "extras": MapOf(key=Primitive.STRING, value=Primitive.LONG),
        "note": Primitive.STRING,
    }
    assert contract.freshness == timedelta(minutes=15)
    assert contract.completeness == 0.995
    assert contract.topic == "shop.orders"
    assert contract.unchecked == ("note: unique",)


def test_rules_keep_path_bound_and_mask():
    """A rule inside personal data is masked, its path is dotted, its bound exact."""
    rules = {(r.path, r.kind): r for r in parse_contract(NESTED).rules}

    assert rules["total", RuleKind.MINIMUM].argument == Number("0.01")
    assert rules["address.city", RuleKind.REQUIRED].masked
    assert not rules["id", RuleKind.PATTERN].masked


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("kind: DataContract", "kind: Contract", 2, "kind", "must be DataContract"),
        ("apiVersion: v3.2.0", "apiVersion: v2.0.0", 1, "apiVersion", "use v3.2.0"),
        ("version: 2.1.0", "version: '2'", 4, "version", "major.minor.patch"),
        ("team: {name: shop}", "team: {description: x}", 6, "team", "who owns"),
        ("id: orders", "id: Orders", 3, "id", "a-z, 0-9"),
        ("logicalType: boolean", "logicaltype: boolean", 24, "logicaltype", "did you mean logicalType"),
        ("logicalType: boolean", "logicalType: vector", 24, "logicalType", "can't be landed"),
        ("decimal(12,2)", "decimal(12,20)", 21, "physicalType", "scale at most"),
        ("minimum: 0.01", "minimum: many", 21, "minimum", "no number"),
        ("minimum: 0.01", "multipleOf: 3", 21, "multipleOf", "not checked on number"),
        ("^O[0-9]+$", "^O[0-9+$", 19, "pattern", "regular expression"),
        ("^O[0-9]+$", "^(?=O)x", 19, "pattern", "RE2"),
        ("value: placed_at", "value: placed", 15, "schema.0.customProperties", "no property of type date or timestamp"),  # noqa: E501
        ("property: eventTime", "property: evenTime", 15, "customProperties", "is unknown here"),
        ("name: note", "name: id", 34, "name", "stands twice"),
        ("name: note", "name: meta", 34, "name", "landing adds"),
        ("name: note", "name: Note", 34, "name", "no column name"),
        ("unit: min", "unit: fortnight", 8, "slaProperties", "a unit of"),
        ("required: true, primaryKey: true", "primaryKey: true", 18, "properties", "must be required"),
        (", primaryKey: true", "", 17, "properties", "primaryKey: true"),
        ("physicalType: topic", "physicalType: queue", 12, "physicalType", "topic, extract or table"),
        ("value: {logicalType: integer, logicalTypeOptions: {format: i64}}",
         "value: {logicalType: integer, logicalTypeOptions: {minimum: 1}}", 33, "map", "write an audit"),
        ("description: {purpose: Orders of the shop.}", "description: text", 5, "description", "valid"),
        ("kind: DataContract", "kind: DataContract\nkind: DataContract", 3, "kind", "stands twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_key(old, new, line, key, says):
    """Each mistake is refused where it stands."""
    assert old in NESTED

    with pytest.raises(ContractError) as caught:
        parse_contract(NESTED.replace(old, new))

    place = ".".join(str(part) for part in caught.value.at)
    assert says in caught.value.message
    assert key in place
    assert caught.value.line == line


def test_text_that_is_no_yaml_names_its_line():
    """A broken file is refused at the place where reading stopped."""
    with pytest.raises(ContractError, match="no valid YAML") as caught:
        parse_contract("id: x\nname: [1, 2\nkind: y\n")

    assert caught.value.line == 3


def test_all_wrong_files_are_listed_together(tmp_path: Path):
    """One look shows every file to mend and the next command; a stream stands in one file only."""
    (tmp_path / "a.yaml").write_text(NESTED)
    (tmp_path / "b.yaml").write_text(NESTED)
    (tmp_path / "c.yaml").write_text("kind: x\n")

    with pytest.raises(ConfigurationError) as caught:
        load_contracts(tmp_path)

    assert "b.yaml: stream orders_v2 is described by" in caught.value.message
    assert "c.yaml:1: kind" in caught.value.message
    assert "lake contract check" in caught.value.hint


def test_external_models_follow_the_contracts(tmp_path: Path):
    """The same contracts give the same bytes; another description is seen as a difference."""
    contracts = load_contracts(CONTRACTS)

    assert write_external_models(contracts, tmp_path)
    assert not write_external_models(tuple(reversed(contracts)), tmp_path)
    changed = (replace(contracts[0], description="Other words."), *contracts[1:])
    assert not is_current(changed, tmp_path)
    assert external_models(contracts).count("- name: lake.raw.") == 8


def test_the_repositorys_external_models_are_current():
    """`external_models/raw.yaml` is what the contracts say."""
    assert is_current(load_contracts(CONTRACTS), ROOT / "external_models")

"""Contracts: formats, modes, routes, versions and partitions, and what does not fit together."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from lake.contracts import (
    Breaker,
    Compatibility,
    Format,
    Framing,
    Mode,
    Route,
    Status,
    load_contracts,
    parse_contract,
    raw_fields,
    route_topic,
)
from lake.contracts.document import ContractError
from lake.contracts.external import external_models
from lake.errors import ConfigurationError
from lake.types import Primitive, Struct
from tests.fakes.orders_contract import EVENTS, with_custom


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_what_a_contract_does_not_say_has_defaults():
    """Plain JSON, appended, backward compatible, with a breaker that trips at half."""
    contract = parse_contract(EVENTS)

    assert (contract.format, contract.framing, contract.mode) == (Format.JSON, Framing.PLAIN, Mode.APPEND)
    assert contract.compatibility is Compatibility.BACKWARD
    assert contract.breaker == Breaker(share=0.5, records=1_000)
    assert (contract.route, contract.allowed_lateness, contract.end_of_support) == (None, None, None)
    assert (contract.family, contract.stream, contract.major) == ("orders", "orders", 1)
    assert contract.text == EVENTS


def test_formats_but_json_are_framed_unless_the_contract_says_otherwise():
    """Confluent's serialisers write a frame; plain Avro is possible too."""
    framed = parse_contract(with_custom("property: format, value: avro"))
    plain = parse_contract(with_custom("property: format, value: avro", "property: framing, value: plain"))

    assert (framed.format, framed.framing) == (Format.AVRO, Framing.REGISTRY)
    assert plain.framing is Framing.PLAIN


def test_every_custom_property_reaches_the_contract():
    """Mode, route, breaker, lateness and level are values of their types."""
    contract = parse_contract(
        with_custom(
            "property: mode, value: cdc",
            "property: route, value: {header: type, value: order, otherwise: true}",
            "property: maxBadShare, value: 0.05",
            "property: maxBadAfter, value: 200",
            "property: allowedLateness, value: 2 h",
            "property: compatibility, value: FULL_TRANSITIVE",
        )
    )

    assert contract.mode is Mode.CDC
    assert contract.route == Route(header="type", value="order", otherwise=True)
    assert contract.breaker == Breaker(share=0.05, records=200)
    assert contract.allowed_lateness == timedelta(hours=2)
    assert contract.compatibility is Compatibility.FULL_TRANSITIVE


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("property: format, value: csv", "format csv is none of json, avro, protobuf"),
        ("property: mode, value: merge", "mode merge is none of append, upsert, cdc"),
        ("property: compatibility, value: backward", "none of NONE, BACKWARD"),
        ("property: maxBadShare, value: 5", "a share from 0 to 1"),
        ("property: maxBadAfter, value: 0", "a number from 1"),
        ("property: allowedLateness, value: 2 fortnights", "a duration as 2 h"),
        ("property: route, value: {header: type}", "a header and its value"),
        ("property: route, value: {head: type, value: x}", "a mapping of header"),
        ("property: eventTime, value: placed_at", "stands twice"),
    ],
)
def test_a_custom_property_that_means_nothing_is_refused_where_it_stands(line: str, says: str):
    """The message names what would be accepted, the place is the entry's own line."""
    with pytest.raises(ContractError) as caught:
        parse_contract(with_custom(line))

    assert says in caught.value.message
    assert caught.value.line == 14


def test_a_changelog_has_a_change_column_and_requires_only_its_key():
    """A deletion has no values; the latest view is the contract's rows again."""
    contract = parse_contract(with_custom("property: mode, value: cdc"))

    columns = {f.name: f for f in raw_fields(contract)}

    assert list(columns) == ["id", "placed_at", "total", "pieces", "change", "meta"]
    assert [f.name for f in columns.values() if f.required] == ["id"]
    assert isinstance(columns["change"].type, Struct)
    assert [f.name for f in columns["change"].type.fields] == ["changed_at", "before"]
    assert "lake.raw.orders_latest" in external_models([contract])


@pytest.mark.parametrize(
    ("transform", "column", "text"),
    [
        ("'bucket[16]'", "name: id,", "bucket[16]"),
        ("'truncate[3]'", "name: id,", "truncate[3]"),
        ("'truncate[100]'", "name: total,", "truncate[100]"),
        ("hour", "name: placed_at,", "hour"),
    ],
)
def test_icebergs_partition_transforms_can_be_asked_for(transform: str, column: str, text: str):
    """Those with a number keep it."""
    entry = f"partitioned: true, customProperties: [{{property: partitionTransform, value: {transform}}}],"

    (cut,) = parse_contract(EVENTS.replace(column, f"{column} {entry}")).partition

    assert cut.text == text


@pytest.mark.parametrize(
    ("transform", "column"),
    [("day", "name: id,"), ("bucket", "name: id,"), ("'month[2]'", "name: placed_at,"),
     ("'truncate[2]'", "name: placed_at,"), ("'bucket[0]'", "name: id,")],
)  # fmt: skip
def test_a_transform_that_can_not_cut_the_column_is_refused(transform: str, column: str):
    """The message lists what there is, or says that it doesn't fit."""
    entry = f"partitioned: true, customProperties: [{{property: partitionTransform, value: {transform}}}],"

    with pytest.raises(ContractError, match=r"partitionTransform is one of|can't cut"):
        parse_contract(EVENTS.replace(column, f"{column} {entry}"))


def test_a_protobuf_number_can_be_fixed_at_any_depth():
    """Columns and members of objects keep the number that the contract gives them."""
    number = "customProperties: [{property: fieldNumber, value: 7}]"
    nested = (
        "      - name: address\n        logicalType: object\n"
        f"        properties: [{{name: city, logicalType: string, {number}}}]\n"
    )
    contract = parse_contract(EVENTS.replace("name: pieces,", f"name: pieces, {number},") + nested)

    assert contract.column("pieces").number == 7
    address = contract.column("address").type
    assert isinstance(address, Struct)
    assert address.fields[0].number == 7


def test_maps_of_other_formats_have_texts_as_keys():
    """Avro's maps know no other keys; JSON's members are texts that are read as the key's type."""
    column = (
        "      - name: sizes\n        logicalType: map\n"
        "        map: {key: {logicalType: integer}, value: {logicalType: string}}\n"
    )

    assert parse_contract(EVENTS + column).columns[-1] == "sizes"
    with pytest.raises(ContractError, match="keys of map sizes are texts"):
        parse_contract(with_custom("property: format, value: avro") + column)


SECOND = EVENTS.replace("version: 1.0.0", "version: 2.0.0").replace(
    "{name: pieces, logicalType: integer}",
    "{name: pieces, logicalType: integer, customProperties: [{property: migration, value: pieces * 10}]}",
)
DEPRECATED = EVENTS.replace("status: active", "status: deprecated").replace(
    "schema:\n", "slaProperties:\n  - {property: endOfSupport, value: '2027-01-31'}\nschema:\n"
)


def test_major_versions_are_streams_of_their_own(tmp_path: Path):
    """Both land side by side; the older says until when it is supported."""
    write(tmp_path, **{"orders": SECOND, "orders.v1": DEPRECATED})

    first, second = load_contracts(tmp_path)

    assert (first.stream, second.stream) == ("orders", "orders_v2")
    assert (first.family, second.family) == ("orders", "orders")
    assert (first.status, first.end_of_support) == (Status.DEPRECATED, date(2027, 1, 31))
    assert second.migration == (("pieces", "pieces * 10"),)
    assert first.subject == "shop.events-value"
    assert second.subject == "shop.events-orders_v2"
    assert [m.stream for m in route_topic((first, second), "shop.events").members] == ["orders", "orders_v2"]


def test_a_version_that_is_followed_says_when_its_support_ends(tmp_path: Path):
    """Without status and day, two majors do not load."""
    write(tmp_path, **{"orders": SECOND, "orders.v1": EVENTS})

    with pytest.raises(ConfigurationError, match=r"orders.v1.yaml: orders 1.0.0 is followed by 2.0.0"):
        load_contracts(tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (None, "{header: type, value: refund}", "orders needs a route"),
        (
            "{header: type, value: order, otherwise: true}",
            "{header: kind, value: refund}",
            "different headers",
        ),
        ("{header: type, value: x, otherwise: true}", "{header: type, value: x}", "a value in common"),
        ("{header: type, value: order}", "{header: type, value: refund}", "exactly one route"),
    ],
)
def test_streams_of_one_topic_are_told_apart_by_a_header(tmp_path: Path, one, other, says):
    """What would leave a record without an owner, or with two, does not load."""
    orders = with_custom(f"property: route, value: {one}") if one else EVENTS
    refunds = with_custom(f"property: route, value: {other}").replace("id: orders", "id: refunds")
    write(tmp_path, orders=orders, refunds=refunds)

    with pytest.raises(ConfigurationError, match=says):
        load_contracts(tmp_path)


def test_two_streams_do_not_share_a_subject(tmp_path: Path):
    """The registry would hold one to the other's schema."""
    first = with_custom("property: subject, value: sales")
    write(tmp_path, orders=first, visits=first.replace("id: orders", "id: visits").replace("shop.", "web."))

    with pytest.raises(ConfigurationError, match="subject sales is that of orders, visits"):
        load_contracts(tmp_path)


def test_a_shared_topic_loads_when_every_record_has_one_owner(tmp_path: Path):
    """Two routes, one of which takes the rest."""
    orders = with_custom("property: route, value: {header: type, value: order, otherwise: true}")
    refunds = with_custom("property: route, value: {header: type, value: refund}")
    write(tmp_path, orders=orders, refunds=refunds.replace("id: orders", "id: refunds"))

    routing = route_topic(load_contracts(tmp_path), "shop.events")

    assert routing.header == "type"
    assert [(m.stream, m.route) for m in routing.members] == [("orders", "order"), ("refunds", "refund")]


def test_number_types_of_the_example_are_those_that_the_tests_rely_on():
    """The example's columns have the types that later tests change."""
    contract = parse_contract(EVENTS)

    assert contract.column("pieces").type is Primitive.INT

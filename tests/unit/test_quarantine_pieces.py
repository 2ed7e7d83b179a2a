"""Causes, pending replays and masks: the parts of quarantine that touch no service."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.quarantine.cause import Cause
from ingest.quarantine.mask import MASK, shown
from ingest.quarantine.pending import (
    COORDINATES,
    PREFIX,
    TOTAL,
    Pending,
    Replays,
    read_pending,
    read_replays,
    replay_id,
    to_properties,
)
from ingest.quarantine.reading import Coordinate, Rejected
from ingest.replay import choose_contract
from ingest.replay.judge import ROUTING_RULES, ReplayJudge, Verdict
from ingest.replay.plan import by_partition, plan_chunks
from ingest.tables import quarantine_name
from lake.catalog import NewSnapshot
from lake.clock import SystemClock
from lake.contracts import Contract, Mode
from lake.errors import BadInputError, ConfigurationError, HistoryError
from lake.settings import LandingSettings
from lake.types import Offset, Partition, SnapshotId
from tests.fakes.topic_world import record, transactions
from tests.unit.test_landing_plan import chain, table

COORDINATE = st.tuples(st.sampled_from(["a", "b.c"]), st.integers(0, 3), st.integers(0, 2**40))


def coordinates(found: set[tuple[str, int, int]]) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(("source", "partition", "offset"), c, strict=True)) for c in found], schema=COORDINATES
    )


def as_set(found: pa.Table) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in found.to_pylist()}


@pytest.mark.parametrize("text", ["sales/minimum/quantity", "sales/json", "sales/type/items[].price"])
def test_a_cause_is_read_as_it_is_written(text: str) -> None:
    """What the list shows is what the other commands take."""
    assert str(Cause.parse(text)) == text


def test_places_in_an_array_are_one_cause() -> None:
    """Otherwise an array of a thousand items would have a thousand causes."""
    assert Cause.parse("sales/type/items[17].price") == Cause.parse("sales/type/items[].price")


@pytest.mark.parametrize("text", ["sales", "", "/json", "sales/"])
def test_half_a_cause_is_refused_with_the_command_that_shows_them(text: str) -> None:
    """No guess which records are meant."""
    with pytest.raises(BadInputError, match="is no cause") as caught:
        Cause.parse(text)
    assert "lake quarantine list" in caught.value.hint


@settings(deadline=None)
@given(st.sets(COORDINATE, max_size=30))
def test_a_pending_replay_names_exactly_its_records(found: set[tuple[str, int, int]]) -> None:
    """A round trip through the property of the commit."""
    replay = replay_id("uuid", coordinates(found))
    snapshot = NewSnapshot(id=SnapshotId(7), sequence=3)
    own = Pending(actor="ada", reason="", records=coordinates(found))
    written = to_properties(replay, own, Replays(rows=2), snapshot)
    state = table(properties={**written, "owner": "me"}, ancestry=chain(7, 6))
    assert {key: as_set(value.records) for key, value in read_pending(state).items()} == {replay: found}
    assert json.loads(written[TOTAL]) == {"rows": 2 + len(found), "snapshot": 7, "sequence": 3}


@settings(deadline=None)
@given(st.sets(COORDINATE, min_size=1, max_size=10), st.sets(COORDINATE, min_size=1, max_size=10))
def test_a_replay_has_the_name_of_its_records(
    one: set[tuple[str, int, int]], other: set[tuple[str, int, int]]
) -> None:
    """The same records have the same id in any order, other records or another table have another."""
    name = replay_id("uuid", coordinates(one))
    assert name == replay_id("uuid", coordinates(one).take(list(reversed(range(len(one))))))
    assert (name == replay_id("uuid", coordinates(other))) == (one == other)
    assert name != replay_id("other", coordinates(one))


def test_a_property_of_ten_thousand_scattered_records_stays_small() -> None:
    """It is part of every metadata file until the replay is recorded."""
    many = coordinates({("transactions", n % 3, 97 * n) for n in range(10_000)})
    snapshot = NewSnapshot(id=SnapshotId(1), sequence=1)
    own = Pending(actor="ada", reason="", records=many)
    (text, _) = to_properties("x", own, Replays(), snapshot).values()
    assert len(text) < 40_000


@pytest.mark.parametrize("text", ["", "{}", '{"actor":"a","reason":"","records":"no base64!"}'])
def test_a_damaged_property_stops_everything(text: str) -> None:
    """Guessing what was replayed would double or lose records."""
    with pytest.raises(HistoryError, match="damaged"):
        read_pending(table(properties={f"{PREFIX}x": text}))


def test_a_table_that_was_rolled_back_behind_a_replay_is_found_out() -> None:
    """Properties survive a rollback: they would say that rows are there which are gone."""
    total = json.dumps({"rows": 4, "snapshot": 3, "sequence": 3})
    assert read_replays(table(properties={TOTAL: total}, ancestry=chain(5, 3))).rows == 4
    assert read_replays(table(properties={TOTAL: total}, ancestry=chain(9, 8), truncated=True)).rows == 4
    with pytest.raises(HistoryError, match="rolled back"):
        read_replays(table(properties={TOTAL: total}, ancestry=chain(2, 1)))


def rejected(value: bytes | None, *, key: bytes | None = b"17", path: str = "household_id") -> Rejected:
    return Rejected(
        coordinate=Coordinate(source="transactions", partition=Partition(0), offset=Offset(3)),
        key=key,
        value=value,
        produced_at=None,
        first_seen=datetime(2025, 1, 1, tzinfo=UTC),
        contract_version="1.0.0",
        rules=(("type", path, "12345.5 is not an integer"),),
        state="open",
    )


def test_personal_data_is_masked_and_the_rest_is_shown() -> None:
    """By the contract's tags; the household is personal, the quantity is not."""
    value = b'{"household_id": 12345.5, "quantity": 3, "unknown": {"name": "Ada"}}'
    found = shown(rejected(value), transactions(), unmasked=False)
    assert json.loads(found["value"]) == {"household_id": MASK, "quantity": 3, "unknown": MASK}
    assert found["key"] == MASK
    assert found["rules"][0]["message"] == MASK
    assert (
        shown(rejected(value, path="quantity"), transactions(), unmasked=False)["rules"][0]["message"] != MASK
    )


@pytest.mark.parametrize("value", [b"\xff 12345", b"12345", b"not 12345 json", b'["12345"]'])
def test_what_cannot_be_read_is_masked_whole(value: bytes) -> None:
    """Nobody can tell what in it is personal."""
    assert "12345" not in str(shown(rejected(value, path=""), transactions(), unmasked=False)["value"])


def test_without_a_contract_everything_is_masked() -> None:
    """The contract may be gone while the records are still there."""
    found = shown(rejected(b'{"a": 12345.5}'), None, unmasked=False)
    assert "12345" not in str(found)


def test_nested_personal_data_is_masked_too() -> None:
    """A tag on a member of a struct reaches into arrays."""
    contract = replace(transactions(), pii=frozenset({"quantity.name"}))
    value = b'{"quantity": [{"name": "Ada", "n": 1}], "store_id": 5}'
    found = json.loads(shown(rejected(value), contract, unmasked=False)["value"])
    assert found == {"quantity": [{"name": MASK, "n": 1}], "store_id": 5}


def test_unmasked_shows_every_byte() -> None:
    """Also those that are no text."""
    assert shown(rejected(b"\xff1"), transactions(), unmasked=True)["value"] == "\\xff1"
    assert shown(rejected(None), transactions(), unmasked=True)["value"] is None


@pytest.mark.parametrize("name", ["records", "resolutions"])
def test_a_stream_cannot_take_the_name_of_what_quarantine_keeps_itself(name: str) -> None:
    """Its quarantine would be the view or the table of resolutions."""
    with pytest.raises(ConfigurationError, match=name):
        quarantine_name(LandingSettings(), replace(transactions(), stream=name))


def opened(sizes: list[int]) -> pa.Table:
    return pa.table({"place": list(range(len(sizes))), "bytes": pa.array(sizes, pa.int64())})


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 7), st.integers(1, 20))
def test_a_replay_is_cut_without_gaps_into_parts_within_bounds(
    sizes: list[int], most_records: int, most_bytes: int
) -> None:
    """Every record in one part, in order; only a record that is alone may weigh too much."""
    parts = list(plan_chunks(opened(sizes), most_records=most_records, most_bytes=most_bytes))
    assert [n for part in parts for n in part["place"].to_pylist()] == list(range(len(sizes)))
    for part in parts:
        assert 1 <= part.num_rows <= most_records
        assert part.num_rows == 1 or sum(part["bytes"].to_pylist()) <= most_bytes


def test_records_are_cut_by_source_and_partition() -> None:
    """No data file mixes partitions."""
    places = [("a", 0), ("a", 0), ("a", 1), ("b", 1)]
    records = pa.table({"source": [s for s, _ in places], "partition": [p for _, p in places]})
    assert [part.num_rows for part in by_partition(records)] == [2, 1, 1]


@pytest.mark.parametrize(
    ("version", "chosen"), [("", "10.0.0"), ("v1", "1.2.0"), ("1.1", "1.1.0"), ("1.2.0", "1.2.0")]
)
def test_a_contract_is_chosen_by_the_beginning_of_its_version(version: str, chosen: str) -> None:
    """By numbers, not letters: 10 is newer than 9, and 1 does not begin 10."""
    contracts = [replace(transactions(), version=v) for v in ("1.1.0", "10.0.0", "1.2.0", "9.0.0")]
    assert choose_contract(contracts, "transactions", version).version == chosen


def test_a_version_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """A replay under a contract that nobody meant would land wrong rows."""
    with pytest.raises(BadInputError, match=r"version 3; there is: 1\.0\.0"):
        choose_contract([transactions()], "transactions", "v3")


class NoSchemas:
    """A desk that is never asked."""

    def known(self, number: int) -> None:
        raise AssertionError(number)


def kept(*rows: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    """Return records and contents of quarantine for rows of one source and partition."""
    seen = datetime(2025, 1, 2, tzinfo=UTC)
    full = [
        {"key": b"7", "produced_at": seen, "reason": "minimum", "idempotency_key": None, **row, "offset": n}
        for n, row in enumerate(rows)
    ]
    contents = pa.Table.from_pylist(
        full,
        schema=pa.schema(
            [
                pa.field("offset", pa.int64()),
                pa.field("key", pa.binary()),
                pa.field("value", pa.binary()),
                pa.field("produced_at", pa.timestamp("us", tz="UTC")),
                pa.field("reason", pa.string()),
                pa.field("idempotency_key", pa.string()),
            ]
        ),
    )
    count = len(rows)
    records = pa.table(
        {
            "source": ["sales"] * count,
            "partition": pa.array([3] * count, pa.int32()),
            "offset": contents["offset"],
            "first_seen": pa.array([seen] * count, pa.timestamp("us", tz="UTC")),
        }
    )
    return records, contents


def good(number: int) -> bytes:
    return record(number, datetime(2025, 1, 1, tzinfo=UTC), random.Random(number))


def judged(contract: Contract, *rows: dict[str, Any]) -> Verdict:
    return ReplayJudge(contract, SystemClock(), cast("Any", NoSchemas())).judge(*kept(*rows))


def test_a_replayed_record_is_checked_as_landing_checks_it() -> None:
    """Coordinate, key, time and idempotency key are those of the record; what fails is counted by cause."""
    found = judged(
        transactions(),
        {"value": good(1), "idempotency_key": "once"},
        {"value": b"not json"},
        {"value": good(2)},
    )
    metas = found.rows["meta"].to_pylist()
    assert [(m["source"], m["partition"], m["offset"], m["key"]) for m in metas] == [
        ("sales", 3, 0, "7"),
        ("sales", 3, 2, "7"),
    ]
    assert [m["idempotency_key"] for m in metas] == ["once", None]
    assert metas[0]["produced_at"] == datetime(2025, 1, 2, tzinfo=UTC)
    assert found.records["offset"].to_pylist() == [0, 2]
    assert dict(found.failing) == {Cause.parse("transactions/json"): 1}


def test_a_replayed_change_keeps_its_operation() -> None:
    """A stream of changes: without the operation, the newest row of a key would be wrong."""
    contract = replace(transactions(), mode=Mode.UPSERT, key="household_id", primary_key=("household_id",))
    found = judged(contract, {"value": good(6), "key": b"7"}, {"value": None, "key": b"7"})
    assert [m["op"] for m in found.rows["meta"].to_pylist()] == ["update", "delete"]


@pytest.mark.parametrize("rule", sorted(ROUTING_RULES))
def test_a_record_that_no_stream_owns_is_not_landed_by_a_replay(rule: str) -> None:
    """It may be a good record of another stream: quarantine keeps no headers to ask again."""
    found = judged(transactions(), {"value": good(1), "reason": rule}, {"value": good(2)})
    assert found.records["offset"].to_pylist() == [1]
    assert dict(found.failing) == {Cause(stream="transactions", rule=rule, path=""): 1}

"""Decisions of landing: what goes into a commit, and when a table or a log is another one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import Range
from ingest.commit_plan import plan_commit
from ingest.positions import (
    Position,
    check_history,
    check_log,
    property_key,
    read_positions,
    to_properties,
)
from lake.broker import client_configuration
from lake.catalog import Ancestor, NewSnapshot, TableState
from lake.errors import HistoryError
from lake.settings import BrokerSettings
from lake.types import Offset, Partition, SnapshotId, TableName

OFFSETS = st.integers(0, 5).map(Offset)
PARTITIONS = st.integers(0, 4).map(Partition)


def position(offset: int, *, snapshot: int = 1, sequence: int = 1) -> Position:
    return Position(offset=Offset(offset), snapshot=SnapshotId(snapshot), sequence=sequence)


def table(
    *,
    properties: dict[str, str] | None = None,
    ancestry: tuple[Ancestor, ...] = (),
    truncated: bool = False,
) -> TableState:
    """Return a state without a table behind it: the checks look at values alone."""
    handle: Any = None
    return TableState(
        name=TableName(schema="raw", name="x"),
        uuid="",
        properties=properties or {},
        ancestry=ancestry,
        truncated=truncated,
        summary={},
        handle=handle,
    )


def chain(*ids: int) -> tuple[Ancestor, ...]:
    """Newest first; the sequence number is the id."""
    return tuple(
        Ancestor(id=SnapshotId(i), sequence=i, committed_at=datetime(2025, 1, 1, tzinfo=UTC)) for i in ids
    )


@given(
    st.dictionaries(PARTITIONS, OFFSETS),
    st.dictionaries(PARTITIONS, st.tuples(st.none() | OFFSETS, OFFSETS)),
)
def test_a_partition_is_staged_exactly_when_the_table_stands_where_its_batch_begins(
    stored: dict[Partition, Offset], ranges: dict[Partition, tuple[Offset | None, Offset]]
) -> None:
    """Every partition of the batch is decided, none twice, and never by name or order."""
    plan = plan_commit(
        {p: position(offset) for p, offset in stored.items()},
        {p: Range(expected=expected, next=after) for p, (expected, after) in ranges.items()},
    )
    assert sorted((*plan.stage, *plan.drop)) == sorted(ranges)
    for partition in ranges:
        assert (partition in plan.stage) == (stored.get(partition) == ranges[partition][0])


@pytest.mark.parametrize(
    ("ancestry", "truncated", "lost"),
    [
        (chain(3, 2, 1), False, False),  # it is an ancestor
        (chain(5, 4), True, False),  # expired: the chain begins after it
        (chain(2, 1), False, True),  # rolled back
        (chain(9, 2, 1), False, True),  # rolled back and landed on
        (chain(9, 2), True, True),  # rolled back, and older ones expired
        ((), False, True),  # main is gone
    ],
)
def test_a_position_holds_only_while_main_descends_from_it(
    ancestry: tuple[Ancestor, ...], *, truncated: bool, lost: bool
) -> None:
    """Expiry is no rollback, and a rollback is not hidden by expiry."""
    state = table(ancestry=ancestry, truncated=truncated)
    held = position(10, snapshot=3, sequence=3)
    if lost:
        with pytest.raises(HistoryError, match="rolled"):
            check_history(state, Partition(0), held)
    else:
        check_history(state, Partition(0), held)


def test_positions_are_read_as_they_were_written() -> None:
    """A round trip through the properties of a commit."""
    snapshot = NewSnapshot(id=SnapshotId(2**62), sequence=7)
    written = to_properties("c", "AbC_-1", {Partition(3): Offset(12)}, snapshot)
    assert list(written) == ["ingest.position.c/AbC_-1/3"]
    state = table(properties={**written, "ingest.position.other/x/0": "{}", "owner": "me"})
    found = read_positions(state, cluster="c", topic_id="AbC_-1")
    assert found == {Partition(3): position(12, snapshot=2**62, sequence=7)}


def test_positions_of_another_topic_id_stop_landing() -> None:
    """Offsets of a topic made anew mean other records."""
    state = table(properties={property_key("c", "old", Partition(0)): "{}"})
    with pytest.raises(HistoryError, match="topic id old"):
        read_positions(state, cluster="c", topic_id="new")


def test_a_damaged_position_stops_landing() -> None:
    """Guessing one would lose or double records."""
    state = table(properties={property_key("c", "t", Partition(0)): '{"offset": null}'})
    with pytest.raises(HistoryError, match="damaged"):
        read_positions(state, cluster="c", topic_id="t")


@pytest.mark.parametrize(
    ("start", "end", "lost"), [(0, 10, False), (10, 10, False), (0, 9, True), (11, 20, True)]
)
def test_a_log_that_no_longer_holds_the_position_stops_landing(start: int, end: int, *, lost: bool) -> None:
    """Cut off at its end or past its retention: never reset silently."""
    ask = {"start": Offset(start), "end": Offset(end)}
    if lost:
        with pytest.raises(HistoryError, match="landing stands at 10"):
            check_log("t", Partition(0), position(10), **ask)
    else:
        check_log("t", Partition(0), position(10), **ask)


def test_the_security_settings_reach_the_kafka_client(tmp_path: Any) -> None:
    """SASL over TLS with a certificate authority of one's own."""
    settings = BrokerSettings(
        security_protocol="SASL_SSL",
        sasl_username="ada",
        sasl_password="s3cret",
        sasl_mechanism="SCRAM-SHA-256",
        ca_file=tmp_path / "ca.pem",
    )
    values = client_configuration(settings)
    assert values["security.protocol"] == "SASL_SSL"
    assert values["sasl.mechanism"] == "SCRAM-SHA-256"
    assert (values["sasl.username"], values["sasl.password"]) == ("ada", "s3cret")
    assert values["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert "sasl.password" not in client_configuration(BrokerSettings())

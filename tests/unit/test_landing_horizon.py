"""Up to when a stream has landed, and how late its records came: what a commit says of itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.events import newest_event
from ingest.lateness import from_summary, measure, to_summary
from lake.catalog import TableState
from lake.catalog.horizons import (
    Horizon,
    complete_up_to,
    horizon_key,
    read_horizons,
    to_properties,
)
from lake.errors import HistoryError
from lake.types import Partition, TableName

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MOMENTS = st.none() | st.integers(0, 10).map(lambda n: NOW + timedelta(hours=n))
HORIZONS = st.builds(Horizon, newest=MOMENTS, looked=MOMENTS)


def table(properties: dict[str, str]) -> TableState:
    handle: Any = None
    return TableState(
        name=TableName(schema="raw", name="x"),
        uuid="",
        properties=properties,
        ancestry=(),
        truncated=False,
        summary={},
        handle=handle,
    )


@given(st.lists(HORIZONS, max_size=4))
def test_a_stream_is_complete_up_to_the_least_of_its_partitions(horizons: list[Horizon]) -> None:
    """One partition of which nothing is known keeps the whole open."""
    found = complete_up_to(horizons)
    moments = [h.complete for h in horizons]
    assert (found is None) == (not moments or None in moments)
    if found is not None:
        assert all(h.complete is not None and h.complete >= found for h in horizons)


@given(st.lists(st.dictionaries(st.integers(0, 2).map(Partition), HORIZONS), max_size=4))
def test_commits_one_after_the_other_never_take_a_horizon_back(
    commits: list[dict[Partition, Horizon]],
) -> None:
    """A partition read again from further back has not lost what landed, and no topic sees another's."""
    properties: dict[str, str] = {horizon_key("c", "other/id", Partition(0)): "{}"}
    before: dict[Partition, Horizon] = {}
    for horizons in commits:
        properties |= to_properties(table(properties), "c", "id", horizons)
        after = read_horizons(table(properties), cluster="c", topic_id="id")
        for partition, horizon in {**before, **horizons}.items():
            assert after[partition].later(horizon) == after[partition]
            assert after[partition].later(before.get(partition, Horizon())) == after[partition]
        before = after


def test_a_record_from_the_future_does_not_close_the_time_before_it() -> None:
    """Its event time counts as the commit's."""
    future = pa.chunked_array([[NOW + timedelta(days=400), NOW - timedelta(hours=1)]])
    assert newest_event(future, NOW) == NOW
    assert newest_event(pa.chunked_array([[date(2025, 1, 1)]]), NOW) == datetime(2025, 1, 1, tzinfo=UTC)
    assert newest_event(pa.chunked_array([pa.nulls(2, pa.timestamp("us"))]), NOW) is None


def test_a_damaged_property_is_named() -> None:
    """Silence would let an interval close too early."""
    with pytest.raises(HistoryError, match="damaged"):
        read_horizons(table({horizon_key("c", "id", Partition(0)): "{}"}), cluster="c", topic_id="id")


def test_lateness_is_measured_from_event_to_arrival() -> None:
    """Rows without one of the two times say nothing; what came too late is counted."""
    events = [NOW - timedelta(seconds=n) for n in range(100)] + [None, NOW]
    arrivals = [NOW] * 100 + [NOW, None]
    kind = pa.timestamp("us", tz="UTC")
    found = measure(
        pa.chunked_array([events], kind), pa.chunked_array([arrivals], kind), timedelta(seconds=90)
    )
    assert found is not None
    assert (found.rows, found.p50, found.longest, found.late) == (100, 49.5, 99.0, 9)
    assert found.p99 == pytest.approx(98.01)
    assert from_summary(to_summary(found)) == found
    assert measure(pa.chunked_array([pa.nulls(1, kind)]), pa.chunked_array([[NOW]], kind), None) is None
    assert from_summary({"ingest.lateness": "[]"}) is None

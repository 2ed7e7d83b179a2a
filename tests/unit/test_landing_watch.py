"""Pace, metrics and observers: what they count, and that they never fail what they watch."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ingest.lateness import KEY, Lateness, to_summary
from ingest.metrics import LandingMetrics, harmless
from ingest.pace import NO_PACE, Pace, pace_of
from ingest.report import Progress
from ingest.status import PartitionStatus, StreamStatus
from lake.broker.ends import ends_agree
from lake.catalog.history import Commit
from lake.errors import UnavailableError
from lake.types import Offset, Partition

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def commits(*records: int) -> list[Commit]:
    """Return commits ten seconds apart."""
    return [Commit(at=NOW + timedelta(seconds=10 * n), records=count) for n, count in enumerate(records)]


def test_pace_is_counted_between_the_first_and_the_last_commit() -> None:
    """The records of the first came before the time that is measured; the share takes all."""
    pace = pace_of(commits(100, 60, 40), commits(10))
    assert pace.records_per_second == pytest.approx(5.0)
    assert pace.commits_per_minute == pytest.approx(6.0)
    assert pace.bad_share == pytest.approx(10 / 210)
    assert pace.last_commit == NOW + timedelta(seconds=20)


def test_one_commit_has_a_share_but_no_rate() -> None:
    """No division by nothing; no commit, no figures."""
    pace = pace_of(commits(30), commits(10))
    assert (pace.records_per_second, pace.commits_per_minute) == (None, None)
    assert pace.bad_share == pytest.approx(0.25)
    assert pace_of([], []) == NO_PACE == Pace()


def status(**changes: object) -> StreamStatus:
    values: dict[str, object] = {
        "stream": "sales",
        "topic": "sales",
        "table": "raw.sales",
        "rows": 1,
        "quarantined": 0,
        "last_commit": NOW,
        "partitions": (
            PartitionStatus(partition=Partition(2), position=Offset(5), end=Offset(9), lag_seconds=7.5),
        ),
        "breaker": "open",
    }
    return StreamStatus(**{**values, **changes})  # type: ignore[arg-type]


def progress(landed: int, quarantined: int, number: int) -> Progress:
    return Progress(stream="sales", landed=landed, quarantined=quarantined, commits=number)


def test_metrics_count_each_record_once_though_progress_reports_sums() -> None:
    """Also when two commits come one after the other."""
    metrics = LandingMetrics()
    metrics.observe(progress(100, 1, 2))
    metrics.observe(progress(150, 3, 4))
    page = metrics.render().decode()
    assert 'lakemesh_landing_records_total{fate="landed",stream="sales"} 150.0' in page
    assert 'lakemesh_landing_records_total{fate="quarantined",stream="sales"} 3.0' in page
    assert 'lakemesh_landing_commits_total{stream="sales"} 4.0' in page


def test_lag_and_breakers_are_read_when_somebody_asks_and_not_with_every_question() -> None:
    """A scrape every second must not become a question to broker and catalog every second."""
    asked = []

    def read() -> Sequence[StreamStatus]:
        asked.append(1)
        return [status()]

    metrics = LandingMetrics(read)
    assert asked == []
    for _ in range(3):
        page = metrics.render().decode()
    assert asked == [1]
    assert 'lakemesh_landing_lag_records{partition="2",stream="sales"} 4.0' in page
    assert 'lakemesh_landing_lag_seconds{partition="2",stream="sales"} 7.5' in page
    assert 'lakemesh_landing_breaker_open{stream="sales"} 1.0' in page


def test_a_status_that_cannot_be_read_leaves_the_counters_and_is_counted() -> None:
    """The page is of use while the broker is down."""

    def read() -> Sequence[StreamStatus]:
        raise UnavailableError("broker", "gone")

    metrics = LandingMetrics(read)
    metrics.observe(progress(1, 0, 1))
    page = metrics.render().decode()
    assert "lakemesh_landing_status_failures 1.0" in page
    assert 'fate="landed",stream="sales"} 1.0' in page


def test_metrics_are_served_on_the_loopback_address_until_closed() -> None:
    """What `--metrics-port` does; port 0 is any free one, so the server is asked by its own close."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    metrics = LandingMetrics()
    metrics.observe(progress(3, 0, 1))
    close = metrics.serve(port)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"lakemesh_landing_records_total" in answer.read()
    finally:
        close()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2)


def test_an_observer_that_fails_stops_neither_landing_nor_the_other_observers() -> None:
    """A broken display must not cost a record."""
    seen: list[Progress] = []

    def broken(_: Progress) -> None:
        raise RuntimeError

    harmless(broken, seen.append)(progress(1, 0, 1))
    assert seen == [progress(1, 0, 1)]


def test_lateness_is_that_of_the_newest_commit_that_says_it() -> None:
    """A commit without rows says nothing; a damaged summary neither."""
    late = Lateness(rows=3, p50=1.0, p99=9.0, longest=9.5)
    said = Commit(at=NOW, records=3, summary=to_summary(late))
    silent = Commit(at=NOW + timedelta(seconds=1), records=0, summary={KEY: "damaged"})
    assert pace_of([said, silent], []).lateness == late
    assert pace_of([silent], []).lateness is None


@pytest.mark.parametrize(
    ("before", "fetched", "after", "agree"),
    [
        ((5, 5), (5, 7), (5, 9), True),
        ((5, 5), (5, 5), (5, 5), True),
        ((5, 4), (5, 7), (5, 4), False),  # the answer is short: a log of 7 that is said to have 4
        ((5, 9), (5, 7), (5, 9), False),  # the answer is long
    ],
)
def test_a_broker_whose_answer_does_not_fit_a_fetch_is_found_out(
    before: tuple[int, ...], fetched: tuple[int, ...], after: tuple[int, ...], *, agree: bool
) -> None:
    """A log may grow between the questions; it can't have been longer before."""
    sides = [{Partition(p): Offset(end) for p, end in enumerate(ends)} for ends in (before, fetched, after)]
    assert ends_agree(*sides) == agree

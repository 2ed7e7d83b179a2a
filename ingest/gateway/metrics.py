"""What the gateway counts, as Prometheus reads it; streams are named only when a contract knows them.

These are the gateway's own figures. Landing runs in other processes and serves its own page; of it the
gateway knows what it goes by itself: how many records had not landed when it last looked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Fate(Enum):
    """What became of a record."""

    ACCEPTED = "accepted"  # all replicas hold it
    INVALID = "invalid"  # breaks its contract
    DUPLICATE = "duplicate"  # was sent before under the same key
    UNKNOWN = "unknown"  # not acknowledged in time


class Metrics:
    """Counters of one gateway; `pending` and `is_up` are asked when somebody looks."""

    def __init__(self, *, pending: Callable[[], int], is_up: Callable[[], bool]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "lakemesh_gateway_requests",
            "Requests by stream and status",
            ("stream", "status"),
            registry=self._registry,
        )
        self._records = Counter(
            "lakemesh_gateway_records",
            "Records by stream and fate",
            ("stream", "fate"),
            registry=self._registry,
        )
        self._acknowledged = Histogram(
            "lakemesh_gateway_acknowledge_seconds",
            "From sending a request's records to the last acknowledgement",
            ("stream",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        waiting = Gauge(
            "lakemesh_gateway_pending_records", "Records that wait for the broker", registry=self._registry
        )
        waiting.set_function(pending)
        self._lag = Gauge(
            "lakemesh_gateway_lag_records",
            "Records that had not landed when the gateway last looked; only with a limit",
            ("stream",),
            registry=self._registry,
        )
        broker = Gauge("lakemesh_gateway_broker_up", "1 when a broker answers", registry=self._registry)
        broker.set_function(lambda: float(is_up()))

    def count_request(self, stream: str, status: int) -> None:
        self._requests.labels(stream, str(status)).inc()

    def count_records(self, stream: str, fate: Fate, records: int) -> None:
        if records:
            self._records.labels(stream, fate.value).inc(records)

    def observe_acknowledgement(self, stream: str, seconds: float) -> None:
        self._acknowledged.labels(stream).observe(seconds)

    def show_lag(self, records: Mapping[str, int]) -> None:
        """Show how far landing is behind, of the streams of which that is known."""
        self._lag.clear()
        for stream, lag in records.items():
            self._lag.labels(stream).set(lag)

    def render(self) -> bytes:
        """Return the page in Prometheus' text format."""
        return generate_latest(self._registry)

"""What landing counts, as Prometheus reads it. Watching never stops or slows what is watched.

Counters move when a commit has landed. Gauges of lag and breakers are read when somebody asks, at most
every few seconds, by the thread that answers; what can't be read then is left out and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.report import Observer, Progress
from ingest.status import StreamStatus
from lake.errors import LakeError
from lake.log import get_logger

log = get_logger("ingest")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HOST = "127.0.0.1"
_FRESH_SECONDS = 10.0

ReadStatus = Callable[[], Sequence[StreamStatus]]


class LandingMetrics:
    """Counters of one process; `observe` may be called from any thread."""

    def __init__(self, read_status: ReadStatus | None = None) -> None:
        self.registry = CollectorRegistry()
        self._records = Counter(
            "lakemesh_landing_records",
            "Records by stream and fate",
            ("stream", "fate"),
            registry=self.registry,
        )
        self._commits = Counter(
            "lakemesh_landing_commits", "Commits by stream", ("stream",), registry=self.registry
        )
        self._last = Gauge(
            "lakemesh_landing_last_commit_timestamp_seconds",
            "When the last commit of this process landed",
            ("stream",),
            registry=self.registry,
        )
        self._seen: dict[str, Progress] = {}
        self._lock = Lock()
        if read_status is not None:
            self.registry.register(StatusCollector(read_status))

    def observe(self, progress: Progress) -> None:
        """Count a commit; `progress` holds sums since the run began."""
        with self._lock:
            before = self._seen.get(progress.stream)
            self._seen[progress.stream] = progress
        was = before or Progress(stream=progress.stream, landed=0, quarantined=0)
        self._records.labels(progress.stream, "landed").inc(progress.landed - was.landed)
        self._records.labels(progress.stream, "quarantined").inc(progress.quarantined - was.quarantined)
        self._commits.labels(progress.stream).inc(progress.commits - was.commits)
        self._last.labels(progress.stream).set_to_current_time()

    def render(self) -> bytes:
        """Return the page in Prometheus' text format; its type is CONTENT_TYPE."""
        return generate_latest(self.registry)

    def serve(self, port: int) -> Callable[[], None]:
        """Answer `/metrics` on this machine's loopback address; returns what ends it."""
        server, thread = start_http_server(port, addr=_HOST, registry=self.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return close


class StatusCollector(Collector):
    """Gauges out of a status that is read at most every ten seconds."""

    def __init__(self, read_status: ReadStatus) -> None:
        self._read_status = read_status
        self._lock = Lock()
        self._found: Sequence[StreamStatus] = ()
        self._read_at: float | None = None
        self._failures = 0

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Say nothing, so that registering asks no service."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._statuses()
        lag = GaugeMetricFamily("lakemesh_landing_lag_records", "Records that wait", labels=_PARTITION)
        seconds = GaugeMetricFamily(
            "lakemesh_landing_lag_seconds", "Age of the newest record that landed", labels=_PARTITION
        )
        breaker = GaugeMetricFamily(
            "lakemesh_landing_breaker_open", "1 while a circuit breaker stops the stream", labels=("stream",)
        )
        bad = GaugeMetricFamily(
            "lakemesh_landing_bad_share", "Share of bad records in the last commits", labels=("stream",)
        )
        for status in found:
            breaker.add_metric([status.stream], float(status.breaker == "open"))
            if status.pace.bad_share is not None:
                bad.add_metric([status.stream], status.pace.bad_share)
            for partition in status.partitions:
                where = [status.stream, str(partition.partition)]
                lag.add_metric(where, partition.lag)
                if partition.lag_seconds is not None:
                    seconds.add_metric(where, partition.lag_seconds)
        failures = GaugeMetricFamily(
            "lakemesh_landing_status_failures", "Times that lag could not be read", value=self._failures
        )
        yield from (lag, seconds, breaker, bad, failures)

    def _statuses(self) -> Sequence[StreamStatus]:
        with self._lock:
            now = time.monotonic()
            if self._read_at is None or now - self._read_at >= _FRESH_SECONDS:
                self._read_at = now
                try:
                    self._found = self._read_status()
                except LakeError as error:
                    self._found, self._failures = (), self._failures + 1
                    log.warning("status.not_read", reason=error.message)
            return self._found


_PARTITION = ("stream", "partition")


def harmless(*observers: Observer) -> Observer:
    """Return one observer that calls all of them and never raises."""

    def observe(progress: Progress) -> None:
        for observer in observers:
            try:
                observer(progress)
            except Exception as error:  # noqa: BLE001  who watches must not stop landing (I8)
                log.warning("observer.failed", reason=str(error))

    return observe

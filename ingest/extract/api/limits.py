"""One gate per host for a whole run: all resources of all sources share its rate and its waits."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

import httpx
from pyrate_limiter import Limiter, Rate

from ingest.extract.api.definition import RateLimit
from lake.clock import Clock, Deadline


class HostGate:
    """Lets requests to one host through, not faster than its limit and not before it asked for."""

    def __init__(self, limit: RateLimit | None, clock: Clock) -> None:
        self._limiter = None
        if limit is not None:
            self._limiter = Limiter(Rate(limit.requests, max(1, round(limit.seconds * 1000))), buffer_ms=1)
        self._clock = clock
        self._opens_at = 0.0
        self._lock = Lock()

    def close_for(self, seconds: float) -> None:
        """Let nobody through for so long: the host asked one of us to wait, and means all."""
        with self._lock:
            self._opens_at = max(self._opens_at, self._clock.monotonic() + seconds)

    def enter(self, deadline: Deadline) -> bool:
        """Wait for the turn; False when the deadline comes first."""
        while (wait := self._opens_at - self._clock.monotonic()) > 0:
            if wait > deadline.remaining():
                return False
            self._clock.sleep(wait)
        if self._limiter is None:
            return True
        try:
            return bool(self._limiter.try_acquire("request", timeout=deadline.remaining()))
        except TimeoutError:
            return False

    def close(self) -> None:
        if self._limiter is not None:
            self._limiter.close()


class HostGates:
    """The gates of a run, by host and port."""

    def __init__(self, limits: Iterable[tuple[str, RateLimit | None]], clock: Clock) -> None:
        """Take (base URL, limit) of every source; the strictest limit of a host counts for all."""
        strictest: dict[str, RateLimit | None] = {}
        for url, limit in limits:
            host = _host(url)
            strictest[host] = _stricter(strictest.get(host), limit)
        self._gates = {host: HostGate(limit, clock) for host, limit in strictest.items()}

    def of(self, url: str) -> HostGate:
        return self._gates[_host(url)]

    def close(self) -> None:
        for gate in self._gates.values():
            gate.close()


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode() if "://" in url else url


def _stricter(one: RateLimit | None, other: RateLimit | None) -> RateLimit | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda limit: limit.requests / limit.seconds)

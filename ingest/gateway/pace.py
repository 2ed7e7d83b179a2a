"""How fast each key may send: so many records a second, ten seconds' worth at once."""

from __future__ import annotations

from pyrate_limiter import Duration, MonotonicClock, Rate, RateItem, StateBucket

from ingest.gateway.answers import Refusal
from lake.control import ApiKey

_BURST_SECONDS = 10


class Pace:
    """Counts the records of each key in this process; used by one event loop.

    A key has one bucket (the generic cell rate algorithm), which holds two numbers however much is sent.
    """

    def __init__(self) -> None:
        self._clock = MonotonicClock()
        self._buckets: dict[str, tuple[int, StateBucket]] = {}

    def spend(self, key: ApiKey, records: int) -> None:
        """Count records; refuses with 429 and the time to wait, or 413 when they can never pass at once."""
        most = key.records_per_second * _BURST_SECONDS
        if records > most:
            raise Refusal(413, f"{records} records; this key may send at most {most} at once")
        bucket = self._bucket(key, most)
        item = RateItem(key.key_id, self._clock.now(), weight=records)
        if not bucket.put(item):
            wait = bucket.waiting(item)
            assert isinstance(wait, int)
            raise Refusal(
                429,
                f"this key may send {key.records_per_second} records a second",
                retry=max(wait, 0) / 1000 + 0.5,
            )

    def _bucket(self, key: ApiKey, most: int) -> StateBucket:
        known = self._buckets.get(key.key_id)
        if known is None or known[0] != most:
            rate = Rate(most, Duration.SECOND * _BURST_SECONDS)
            known = (most, StateBucket([rate], clock=self._clock))
            self._buckets[key.key_id] = known
        return known[1]

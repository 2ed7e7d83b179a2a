"""Honest trouble: how a busy server answers now and then, the same at every start with the same seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

RETRY_AFTER_SECONDS = 1  # whole seconds: RFC 9110 knows no fraction

Seconds = Callable[[], float]


class Fault(Enum):
    """What can happen to a request; none of it lasts."""

    BUSY = "busy"  # 429, and so is everything until Retry-After is over
    UNAVAILABLE = "unavailable"  # 503, nothing was done
    BROKEN = "broken"  # 500 without Retry-After, nothing was done
    ANSWER_LOST = "answer_lost"  # 503, but the request was carried out


@dataclass(kw_only=True)
class Faults:
    """Decide by seed and number of the request; the request after a faulty one is never faulty."""

    seed: int
    rate: float
    kinds: tuple[Fault, ...]
    clock: Seconds = time.monotonic
    requests: int = 0
    _busy_until: float = field(default=0.0, init=False)
    _last_was_faulty: bool = field(default=False, init=False)

    def draw(self) -> Fault | None:
        """Say what happens to the next request."""
        if self.clock() < self._busy_until:
            return Fault.BUSY
        self.requests += 1
        chance = random.Random(f"{self.seed}/{self.requests}")
        fault = chance.choice(self.kinds) if chance.random() < self.rate else None
        if self._last_was_faulty:
            fault = None
        self._last_was_faulty = fault is not None
        if fault is Fault.BUSY:
            self._busy_until = self.clock() + RETRY_AFTER_SECONDS
        return fault


@dataclass(kw_only=True)
class Allowance:
    """A bucket of requests that fills by `per_second` and holds one second's worth."""

    per_second: float
    clock: Seconds = time.monotonic
    _left: float = field(init=False)
    _seen: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = max(1.0, self.per_second)
        self._seen = self.clock()

    def take(self) -> bool:
        """Take one request out; False when the bucket is empty."""
        now = self.clock()
        self._left = min(max(1.0, self.per_second), self._left + (now - self._seen) * self.per_second)
        self._seen = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

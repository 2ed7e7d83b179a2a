"""Time as a value that is passed in: a clock to ask and one deadline per operation."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tell the time and wait; tests pass one that they move by hand."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One budget of seconds shared by all steps of an operation."""

    ends_at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        return cls(ends_at=clock.monotonic() + seconds, clock=clock)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.ends_at - self.clock.monotonic())

    def expired(self) -> bool:
        return self.remaining() == 0.0

    def pause(self, attempt: int, *, first: float, longest: float) -> None:
        """Wait before trying again: twice as long after each attempt, jittered, never beyond the deadline."""
        seconds = min(longest, first * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311  no secret
        self.clock.sleep(min(seconds, self.remaining()))

"""A stream that stands aside: its table is held to another contract by now, and it waits to go on by that."""

from __future__ import annotations

from lake.clock import Clock, Deadline
from lake.contracts import ContractMovedError

_LOOK_AGAIN_SECONDS = 1.0


class Aside:
    """One stream's wait; `moved` is what its failure says when nobody follows in time."""

    def __init__(self, moved: ContractMovedError, *, seconds: float, clock: Clock) -> None:
        self.moved = moved
        self._deadline = Deadline.after(seconds, clock)
        self._clock = clock
        self._waits_until = clock.monotonic()

    def is_due(self) -> bool:
        """Tell, once a second, that it is time to look what the table is held to."""
        now = self._clock.monotonic()
        if now < self._waits_until:
            return False
        self._waits_until = now + _LOOK_AGAIN_SECONDS
        return True

    def is_over(self) -> bool:
        """Tell whether the deploy took longer than anybody waits."""
        return self._deadline.expired()

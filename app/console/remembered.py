"""Remember one answer: fresh for a while, then shown once more while a thread asks again.

What Streamlit's caches lack: they can be filled before the first visitor, who then waits for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

from lake.clock import Clock, SystemClock

T = TypeVar("T")


class Remembered(Generic[T]):
    """One answer of `read`, for all sessions; `read` never raises.

    Younger than `ttl` seconds it is returned; younger than `stale` it is returned and asked for anew behind
    the scenes; older ones are asked for at once. However many visitors there are, one asks.
    """

    def __init__(
        self, read: Callable[[], T], *, ttl: float, stale: float, clock: Clock | None = None
    ) -> None:
        self._read = read
        self._ttl = ttl
        self._stale = stale
        self._clock = clock or SystemClock()
        self._answer: tuple[float, T] | None = None
        self._reading = Lock()

    def get(self) -> T:
        """Return the answer."""
        answer = self._answer
        if answer is None or self._age(answer) >= self._stale:
            return self._read_once(older_than=self._stale)
        if self._age(answer) >= self._ttl and not self._reading.locked():
            Thread(target=self._read_once, kwargs={"older_than": self._ttl}, daemon=True).start()
        return answer[1]

    def forget(self) -> None:
        """Drop the answer, so that the next visitor gets a new one."""
        with self._reading:
            self._answer = None

    def _read_once(self, *, older_than: float) -> T:
        with self._reading:
            if self._answer is None or self._age(self._answer) >= older_than:
                self._answer = (self._clock.monotonic(), self._read())
            return self._answer[1]

    def _age(self, answer: tuple[float, T]) -> float:
        return self._clock.monotonic() - answer[0]

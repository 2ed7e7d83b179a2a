"""Seconds on the clock: of a call, of several, of what SQLMesh evaluates."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlglot import exp
from sqlmesh.core.scheduler import Scheduler


def timed(act: Callable[..., object], *arguments: Any) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - began


def median(times: int, act: Callable[..., object], *arguments: Any) -> float:
    """Return the median of the seconds of some calls."""
    return statistics.median(timed(act, *arguments) for _ in range(times))


@contextmanager
def evaluations() -> Iterator[dict[str, float]]:
    """Yield the seconds in which each model (`schema.name`) is evaluated, audited and published meanwhile."""
    taken: dict[str, float] = defaultdict(float)
    method = Scheduler.evaluate

    def evaluate(self: Scheduler, snapshot: Any, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(self, snapshot, *args, **kwargs)
        finally:
            table = exp.to_table(snapshot.name)
            taken[f"{table.db}.{table.name}"] += time.perf_counter() - began

    Scheduler.evaluate = evaluate  # type: ignore[method-assign]
    try:
        yield taken
    finally:
        Scheduler.evaluate = method  # type: ignore[method-assign]

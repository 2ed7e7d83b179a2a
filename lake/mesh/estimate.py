"""What a backfill will cost, from what building the model cost before. Pure.

Seconds are taken as a + b * rows, fitted to the model's own past builds: a publish has a price of its
own, whatever it holds. A model that was never built is not guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One past build: the interval, the rows that it wrote and the seconds that it took."""

    span: timedelta
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """None means that nobody knows."""

    rows: int | None
    seconds: float | None


UNKNOWN = Estimate(rows=None, seconds=None)


def estimate(past: Sequence[Built], *, span: timedelta, batches: int, by_interval: bool) -> Estimate:
    """Return rows and seconds of building `span` in `batches` publishes; `past` is newest first.

    A model that is built by intervals writes rows in proportion to the time that they span; any other
    writes what it wrote last.
    """
    if not past or batches == 0:
        return UNKNOWN if batches else Estimate(rows=0, seconds=0.0)
    covered = sum((built.span for built in past), timedelta())
    if by_interval and covered:
        rows = round(sum(built.rows for built in past) * (span / covered))
    else:
        rows = past[0].rows * batches
    fixed, per_row = fit(past)
    return Estimate(rows=rows, seconds=round(fixed * batches + per_row * rows, 1))


def fit(past: Sequence[Built]) -> tuple[float, float]:
    """Return (seconds of a publish, seconds of a row) by least squares; neither is below zero."""
    count = len(past)
    mean_rows = sum(built.rows for built in past) / count
    mean_seconds = sum(built.seconds for built in past) / count
    spread = sum((built.rows - mean_rows) ** 2 for built in past)
    together = sum((built.rows - mean_rows) * (built.seconds - mean_seconds) for built in past)
    per_row = together / spread if spread else 0.0
    fixed = mean_seconds - per_row * mean_rows
    if per_row <= 0:
        return mean_seconds, 0.0
    if fixed < 0:
        return 0.0, mean_seconds / mean_rows
    return fixed, per_row

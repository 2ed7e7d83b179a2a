"""Spans and counts in words that people read at a glance."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
# (from which count, unit, letter): a unit takes over before three digits of the smaller one round up.
_LARGE = ((999_500_000, 1_000_000_000, "B"), (999_500, 1_000_000, "M"), (10_000, 1_000, "k"))


def describe_span(span: timedelta) -> str:
    """Return a span in its largest unit, two below 3 of it: `45 s`, `2 h 10 min`, `6 d`."""
    seconds = max(0, int(span.total_seconds()))
    for index, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            if whole < 3 and index + 1 < len(_UNITS):
                smaller, name = _UNITS[index + 1]
                if part := rest // smaller:
                    return f"{whole} {unit} {part} {name}"
            return f"{whole} {unit}"
    return "0 s"


def describe_count(count: int) -> str:
    """Return a count that fits a tile: `8,431`, `92.3k`, `1.45M`."""
    for start, size, unit in _LARGE:
        if abs(count) >= start:
            scaled = count / size
            return f"{scaled:,.0f}{unit}" if abs(scaled) >= 999.5 else f"{scaled:.3g}{unit}"
    return f"{count:,}"

"""The one line that a soak leaves behind once it has proved what it claims."""

from __future__ import annotations


def report(name: str, seed: int | str, **counts: int) -> None:
    """Print seed and counts; called after the oracle, so what was lost or doubled is known to be nothing."""
    said = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())
    print(f"\nsoak: {name}: seed {seed}: {said}, 0 lost, 0 duplicated", flush=True)  # noqa: T201

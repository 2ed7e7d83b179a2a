"""Decide what `up` has to do; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known about one service: was it recorded, does that process live, does it answer."""

    service: str
    recorded: bool
    alive: bool
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpPlan:
    """Every service is in exactly one of `keep`, `wait`, `start` and `replace`."""

    keep: tuple[str, ...]  # answers already
    wait: tuple[str, ...]  # lives, perhaps of an `up` that was killed half-way; may still be starting
    start: tuple[str, ...]  # never started, or stopped
    replace: tuple[str, ...]  # died

    @property
    def launches(self) -> tuple[str, ...]:
        return self.replace + self.start


def plan_up(facts: Sequence[Fact]) -> UpPlan:
    """Sort the services by what they need."""
    return UpPlan(
        keep=tuple(f.service for f in facts if f.alive and f.answers),
        wait=tuple(f.service for f in facts if f.alive and not f.answers),
        start=tuple(f.service for f in facts if not f.alive and not f.recorded),
        replace=tuple(f.service for f in facts if not f.alive and f.recorded),
    )

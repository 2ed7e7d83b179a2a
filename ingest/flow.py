"""Decide which streams commit now and which are to be read no further: back-pressure without blocking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LOW = 0.75  # reading goes on once so much of the limit is held or less


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a stream holds: bytes of its open batch, of the one that is being committed, and its wish.

    `is_due`: the open batch is full or old enough. `is_waiting`: records wait for something else, so
    that no more of them can be used.
    """

    open: int
    in_flight: int
    is_due: bool
    is_committing: bool
    is_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """`commit` and `hold` are places among the loads; `hold` are those to bring nothing more for now."""

    commit: tuple[int, ...]
    hold: frozenset[int]
    tight: bool  # memory, not a single stream, is what holds


def plan_flow(loads: Sequence[Load], *, limit: int, was_tight: bool) -> Flow:
    """Commit what is due, the largest earlier when memory is short; hold what has no room left.

    A stream has one commit under way at a time, so one that is due while it commits is held, as is one
    whose records wait. Beyond
    `limit` bytes in all, everything is held until commits have brought it down to three quarters.
    """
    commit = {n for n, load in enumerate(loads) if load.is_due and not load.is_committing}
    hold = {n for n, load in enumerate(loads) if load.is_waiting or (load.is_due and load.is_committing)}
    held = sum(load.open + load.in_flight for load in loads)
    tight = held > limit * (_LOW if was_tight else 1)
    if tight:
        hold = set(range(len(loads)))
        free = [n for n, load in enumerate(loads) if load.open and not load.is_committing]
        if free and not commit:
            commit = {max(free, key=lambda n: loads[n].open)}
    return Flow(commit=tuple(sorted(commit)), hold=frozenset(hold), tight=tight)

"""Say no to a plan that touches too much: pure, decided at planning, enforced at applying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lake.activation.definition import Guards
from lake.control.activation_values import Change, Operation


def tripped(
    guards: Guards, changes: Iterable[Change], *, mart_rows: int, ledger_rows: int, first: bool
) -> tuple[str, ...]:
    """Return a sentence per guard that the plan trips; empty means it may be applied.

    Until one plan was applied to its end (`first`) there is no baseline: only an empty mart trips.
    """
    if ledger_rows == 0:
        return ()
    if mart_rows == 0:
        return (f"the mart is empty: this would delete all {ledger_rows} records",)
    if first:
        return ()
    counts = Counter(change.operation for change in changes)
    limits = {
        Operation.CREATE: guards.max_create_share,
        Operation.UPDATE: guards.max_update_share,
        Operation.DELETE: guards.max_delete_share,
    }
    return tuple(
        f"{counts[operation]} {operation}s are {counts[operation] / ledger_rows:.1%} of {ledger_rows}"
        f" records, more than the allowed {limit:.1%}"
        for operation, limit in limits.items()
        if counts[operation] > guards.always_allow and counts[operation] / ledger_rows > limit
    )

"""Decide what to send: the mart against the ledger, frozen with a digest."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from lake.activation.definition import Sync
from lake.activation.diff import diff
from lake.activation.guards import tripped
from lake.activation.identity import plan_digest
from lake.activation.mart import Mart
from lake.clock import Clock
from lake.control.activation import SyncStore
from lake.control.activation_values import PlanState, StoredPlan


def make_plan(sync: Sync, *, mart: Mart, store: SyncStore, clock: Clock) -> StoredPlan:
    """Compare mart and ledger as they are now; writes nothing, sends nothing."""
    # The version is read first: a ledger that moves while we read then counts as moved, never as seen.
    version = store.ledger_version()
    ledger = store.ledger()
    state = mart.read(sync)
    changes = diff(state.records, ledger)
    live = sum(entry.payload is not None for entry in ledger.values())
    return StoredPlan(
        plan_id=uuid4(),
        sync=sync.name,
        digest=plan_digest(sync.name, sync.mapping, changes),
        mapping=sync.mapping,
        snapshots=state.snapshots,
        mart_rows=len(state.records),
        ledger_version=version,
        ledger_rows=live,
        in_doubt=len(store.in_doubt()),
        guards=tripped(
            sync.guards,
            changes,
            mart_rows=len(state.records),
            ledger_rows=live,
            first=not store.has_baseline(),
        ),
        created_at=clock.now(),
        state=PlanState.OPEN,
        changes=changes,
    )


def outstanding(plan: StoredPlan, accepted: frozenset[str]) -> StoredPlan:
    """Return what is left of a plan of which `accepted` keys were delivered, with the digest of the rest."""
    changes = tuple(c for c in plan.changes if c.key not in accepted)
    return replace(
        plan,
        digest=plan_digest(plan.sync, plan.mapping, changes),
        ledger_version=plan.ledger_version + len(accepted),
        changes=changes,
    )

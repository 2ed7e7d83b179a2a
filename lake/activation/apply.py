"""Carry out a plan (design §4 "Activate", invariant I6).

1 Take the sync's lock. 2 Send again, unchanged, what a killed run left in doubt. 3 Take the open plan,
or make one. 4 Refuse when mart, ledger or mapping moved, unless planning again gives the same digest.
5 Refuse what trips a guard. 6 Per batch: make members and keys durable, send, make outcomes and ledger
durable. 7 Read a sample back. 8 Close run and plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from uuid import UUID, uuid4

from lake.activation.definition import Sync
from lake.activation.destination import Target
from lake.activation.identity import idempotency_key
from lake.activation.mart import Mart
from lake.activation.plan import make_plan, outstanding
from lake.clock import Clock
from lake.control.activation import SyncStore
from lake.control.activation_values import (
    Change,
    Delivery,
    Operation,
    Outcome,
    Payload,
    PlanState,
    RunState,
    StoredPlan,
)
from lake.errors import ConflictError, LakeError, RefusedError, UnavailableError
from lake.log import get_logger

log = get_logger("activation")
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one apply came to; `run_id` None means that there was nothing to send."""

    sync: str
    plan_id: UUID
    run_id: UUID | None
    accepted: int = 0
    repeated: int = 0  # of the accepted: left in doubt by an earlier run
    rejected: int = 0
    verified: int = 0
    mismatched: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Run:
    """One apply while it goes on."""

    sync: Sync
    store: SyncStore
    target: Target
    plan_id: UUID
    run_id: UUID = field(default_factory=uuid4)
    begun: bool = False
    repeated: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    def begin(self) -> None:
        if not self.begun:
            self.store.begin_run(self.run_id, self.plan_id)
            self.begun = True

    def count(self, *, accepted: bool) -> int:
        return sum(o.accepted is accepted for o in self.outcomes)


def apply_sync(
    sync: Sync,
    *,
    mart: Mart,
    target: Target,
    store: SyncStore,
    clock: Clock,
    progress: Progress = no_progress,
) -> Report:
    """Bring the destination in step with the mart; `store` holds the sync's lock (step 1).

    Raises ConflictError when something moved since the plan, RefusedError when a guard trips, TransientError
    or OutcomeUnknownError when the destination gave no answer: run it again, it goes on where it stopped.
    """
    plan = store.newest_plan()
    in_doubt = store.in_doubt()
    if plan is None or (plan.state is not PlanState.OPEN and not in_doubt):
        plan = _new_plan(sync, mart, store, clock)
    run = _Run(sync=sync, store=store, target=target, plan_id=plan.plan_id)
    with _recorded(run):
        _settle_doubts(run, in_doubt)  # 2
        if plan.state is not PlanState.OPEN:
            plan = _new_plan(sync, mart, store, clock)  # 3
        rest = _check_unmoved(sync, plan, mart=mart, store=store, clock=clock)  # 4
        _check_guards(sync, plan)  # 5
        if rest.changes:
            run.begin()
        done = 0
        for batch in _batches(sync, rest.changes):  # 6
            _deliver(run, batch)
            done += len(batch)
            progress(done, len(rest.changes))
        verified, mismatched, note = _verify(run)  # 7
        _close(run, plan, verified=verified, mismatched=mismatched, note=note)  # 8
    return Report(
        sync=sync.name,
        plan_id=plan.plan_id,
        run_id=run.run_id if run.begun else None,
        accepted=run.count(accepted=True),
        repeated=run.repeated,
        rejected=run.count(accepted=False),
        verified=verified,
        mismatched=mismatched,
    )


def _new_plan(sync: Sync, mart: Mart, store: SyncStore, clock: Clock) -> StoredPlan:
    plan = make_plan(sync, mart=mart, store=store, clock=clock)
    store.save_plan(plan)
    return plan


@contextmanager
def _recorded(run: _Run) -> Iterator[None]:
    """Leave a run that stopped before its end as incomplete, with the reason."""
    try:
        yield
    except (LakeError, KeyboardInterrupt) as error:
        if run.begun:
            message = error.message if isinstance(error, LakeError) else "interrupted"
            try:
                run.store.finish_run(
                    run.run_id, RunState.INCOMPLETE, message=message, verified=0, mismatched=()
                )
            except UnavailableError:  # the first error says more; the next run marks this one as killed
                log.warning("run.unfinished", sync=run.sync.name, run=str(run.run_id))
        raise


def _settle_doubts(run: _Run, in_doubt: Sequence[Delivery]) -> None:
    """Send what was never answered once more: same content, same keys, so it counts once."""
    for _, group in groupby(in_doubt, key=lambda d: d.operation is Operation.DELETE):
        members = list(group)
        size = run.sync.destination.batch_size
        for start in range(0, len(members), size):
            run.begin()
            outcomes = run.target.send(members[start : start + size])
            run.store.settle(run.run_id, outcomes)
            run.outcomes.extend(outcomes)
            run.repeated += sum(o.accepted for o in outcomes)


def _check_unmoved(sync: Sync, plan: StoredPlan, *, mart: Mart, store: SyncStore, clock: Clock) -> StoredPlan:
    """Return what is left of the plan; raises ConflictError when it is not what would be planned now."""
    rest = outstanding(plan, store.accepted_keys(plan))
    moved = []
    if plan.mapping != sync.mapping:
        moved.append("the mapping")
    if dict(mart.snapshots(sync)) != dict(plan.snapshots):
        moved.append("the mart")
    if store.ledger_version() != rest.ledger_version:
        moved.append("the ledger")
    if not moved:
        return rest
    again = make_plan(sync, mart=mart, store=store, clock=clock)
    if again.digest == rest.digest:
        return rest
    raise ConflictError(
        f"sync {sync.name}: {' and '.join(moved)} moved since the plan of"
        f" {plan.created_at:%Y-%m-%d %H:%M:%S} UTC and other records would be sent now",
        hint=f"lake sync plan {sync.name}",
    )


def _check_guards(sync: Sync, plan: StoredPlan) -> None:
    if plan.guards:
        raise RefusedError(
            f"sync {sync.name}: " + "; ".join(plan.guards),
            hint=f"look at lake sync plan {sync.name}; if it is right, raise guards in its .sync.yaml"
            " and plan again",
        )


def _batches(sync: Sync, changes: Sequence[Change]) -> Iterator[tuple[Delivery, ...]]:
    """Cut changes into batches, upserts before deletes, since those have an address of their own."""
    number = 0
    ordered = sorted(changes, key=lambda c: (c.operation is Operation.DELETE, c.key))
    for _, group in groupby(ordered, key=lambda c: c.operation is Operation.DELETE):
        while members := tuple(islice(group, sync.destination.batch_size)):
            yield tuple(
                Delivery(
                    key=c.key,
                    operation=c.operation,
                    revision=c.revision,
                    idempotency_key=idempotency_key(sync.name, c.operation, c.key, c.revision),
                    payload=_wire(sync, c),
                    batch=number,
                )
                for c in members
            )
            number += 1


def _wire(sync: Sync, change: Change) -> Payload | None:
    """Return what is sent: every mapped property, null for one to take away, also one mapped no longer."""
    if change.after is None:
        return None
    names = {name for name, _ in sync.fields} | (change.before or {}).keys()
    return {name: change.after.get(name) for name in sorted(names)}


def _deliver(run: _Run, batch: Sequence[Delivery]) -> None:
    run.store.begin_batch(run.run_id, batch)
    outcomes = run.target.send(batch)
    run.store.settle(run.run_id, outcomes)
    run.outcomes.extend(outcomes)
    if refused := sum(not o.accepted for o in outcomes):
        log.warning("batch.refused_records", sync=run.sync.name, batch=batch[0].batch, records=refused)


def _verify(run: _Run) -> tuple[int, tuple[str, ...], str]:
    """Read accepted records back; return how many, which differ, and why it could not be done."""
    accepted = [o.delivery for o in run.outcomes if o.accepted]
    # Idempotency keys are hashes: their order picks an even sample, the same one each time.
    accepted.sort(key=lambda d: d.idempotency_key)
    sample = accepted[: run.sync.destination.verify_sample]
    mismatched = []
    try:
        for delivery in sample:
            held = run.target.read(delivery.key)
            if not _agrees(delivery, held):
                mismatched.append(delivery.key)
    except LakeError as error:
        return 0, (), f"not verified: {error.message}"
    return len(sample), tuple(sorted(mismatched)), ""


def _agrees(delivery: Delivery, held: object) -> bool:
    if delivery.payload is None:
        return held is None
    return isinstance(held, dict) and all(held.get(n) == value for n, value in delivery.payload.items())


def _close(run: _Run, plan: StoredPlan, *, verified: int, mismatched: tuple[str, ...], note: str) -> None:
    rejected = run.count(accepted=False)
    if run.begun:
        notes = [
            f"{rejected} records refused" if rejected else "",
            f"{len(mismatched)} of {verified} records read back differ" if mismatched else "",
            note,
        ]
        run.store.finish_run(
            run.run_id,
            RunState.PARTIAL if rejected or mismatched else RunState.SUCCEEDED,
            message="; ".join(n for n in notes if n),
            verified=verified,
            mismatched=mismatched,
        )
    run.store.close_plan(plan.plan_id)

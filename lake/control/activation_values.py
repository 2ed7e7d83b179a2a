"""The values that PostgreSQL keeps about activation: ledger, plans, runs and deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

Value = str | int | float | bool | None
Payload = Mapping[str, Value]


class Operation(StrEnum):
    """What a change does to the record at the destination."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class PlanState(StrEnum):
    """How a plan stands; a sync has at most one open plan."""

    OPEN = "open"
    APPLIED = "applied"  # every change was sent and answered
    SUPERSEDED = "superseded"  # a newer plan took its place


class RunState(StrEnum):
    """How an apply ended."""

    RUNNING = "running"  # without a process behind it: it was killed
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"  # the destination refused some records
    INCOMPLETE = "incomplete"  # it stopped before the end; the next apply goes on


class DeliveryState(StrEnum):
    """What is known about one record handed to the destination."""

    SENDING = "sending"  # in doubt until answered
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What the destination last accepted for a key; `payload` None means deleted there.

    `revision` counts the accepted changes of this key and never falls.
    """

    key: str
    payload: Payload | None
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One record to send; `revision` is the ledger's before the change (0 = never seen)."""

    key: str
    operation: Operation
    revision: int
    before: Payload | None
    after: Payload | None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the properties that differ, sorted."""
        before, after = self.before or {}, self.after or {}
        missing = object()
        names = before.keys() | after.keys()
        return tuple(sorted(n for n in names if before.get(n, missing) != after.get(n, missing)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCounts:
    """How many records a plan touches; `updates_by_field` counts a record once per differing field."""

    creates: int
    updates: int
    deletes: int
    updates_by_field: Mapping[str, int]

    @property
    def total(self) -> int:
        return self.creates + self.updates + self.deletes


def count_changes(changes: tuple[Change, ...]) -> PlanCounts:
    """Count changes by operation and updates by field."""
    operations = Counter(c.operation for c in changes)
    fields = Counter(f for c in changes if c.operation is Operation.UPDATE for f in c.fields)
    return PlanCounts(
        creates=operations[Operation.CREATE],
        updates=operations[Operation.UPDATE],
        deletes=operations[Operation.DELETE],
        updates_by_field=dict(sorted(fields.items())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """A plan as it was decided; immutable but for its state."""

    plan_id: UUID
    sync: str
    digest: str
    mapping: str
    snapshots: Mapping[str, int]
    mart_rows: int
    ledger_version: int
    ledger_rows: int
    in_doubt: int
    guards: tuple[str, ...]
    created_at: datetime
    state: PlanState
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One record handed, or about to be handed, to the destination; a null in `payload` takes away."""

    key: str
    operation: Operation
    revision: int
    idempotency_key: UUID
    payload: Payload | None
    batch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The destination's answer for one record; `code` and `message` are its words when it refused."""

    delivery: Delivery
    accepted: bool
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One apply and its counts."""

    run_id: UUID
    sync: str
    plan_id: UUID
    started_at: datetime
    finished_at: datetime | None
    state: RunState
    message: str
    accepted: int
    rejected: int
    in_doubt: int
    verified: int
    mismatched: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One record that the destination refused, in its own words."""

    run_id: UUID
    key: str
    operation: Operation
    code: str
    message: str
    at: datetime

"""Read and write what PostgreSQL keeps about one sync: ledger, plans, runs, deliveries.

All writes of an apply go through the connection that holds the sync's lock: without it nobody writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from lake.control.activation_values import (
    Change,
    Delivery,
    DeliveryState,
    LedgerEntry,
    Operation,
    Outcome,
    PlanState,
    Rejection,
    RunState,
    StoredPlan,
    StoredRun,
)
from lake.errors import ConflictError
from lake.postgres import Connection, connect, json_value, read_sections
from lake.settings import PostgresSettings


def _sql(section: str) -> LiteralString:
    return read_sections("lake.control", "activation.sql")[section]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStore:
    """What is kept for one sync, over one connection; each method is one transaction."""

    sync: str
    connection: Connection

    def _one(self, section: str, **values: Any) -> dict[str, Any]:
        row = self.connection.execute(_sql(section), {"sync": self.sync, **values}).fetchone()
        return row or {}

    def ledger(self) -> dict[str, LedgerEntry]:
        """Return every key ever accepted, deleted ones too."""
        rows = self.connection.execute(_sql("read_ledger"), {"sync": self.sync})
        return {row["key"]: LedgerEntry(**row) for row in rows}

    def ledger_version(self) -> int:
        """Return a number that grows with each accepted change."""
        return int(self._one("ledger_version")["version"])

    def save_plan(self, plan: StoredPlan) -> None:
        """Keep a plan as the sync's open one."""
        with self.connection.transaction():
            self.connection.execute(_sql("supersede_plans"), {"sync": self.sync})
            self.connection.execute(
                _sql("insert_plan"),
                {
                    "plan_id": plan.plan_id,
                    "sync": plan.sync,
                    "digest": plan.digest,
                    "mapping": plan.mapping,
                    "snapshots": json_value(dict(plan.snapshots)),
                    "mart_rows": plan.mart_rows,
                    "ledger_version": plan.ledger_version,
                    "ledger_rows": plan.ledger_rows,
                    "in_doubt": plan.in_doubt,
                    "guards": json_value(list(plan.guards)),
                    "created_at": plan.created_at,
                },
            )
            rows = [
                {
                    "key": c.key,
                    "operation": c.operation.value,
                    "revision": c.revision,
                    "before": c.before,
                    "after": c.after,
                }
                for c in plan.changes
            ]
            self.connection.execute(
                _sql("insert_changes"), {"plan_id": plan.plan_id, "rows": json_value(rows)}
            )

    def newest_plan(self) -> StoredPlan | None:
        """Return the last plan with its changes, ordered by key."""
        row = self._one("newest_plan")
        if not row:
            return None
        changes = self.connection.execute(_sql("plan_changes"), {"plan_id": row["plan_id"]})
        row["state"], row["guards"] = PlanState(row["state"]), tuple(row["guards"])
        return StoredPlan(
            **row, changes=tuple(Change(**{**c, "operation": Operation(c["operation"])}) for c in changes)
        )

    def held(self) -> int:
        """Return how many records the destination holds by the ledger."""
        return int(self._one("ledger_version")["live"])

    def has_baseline(self) -> bool:
        """Tell whether any plan was ever applied to its end."""
        return bool(self._one("has_baseline")["found"])

    def accepted_keys(self, plan: StoredPlan) -> frozenset[str]:
        """Return the keys of `plan` that the destination has accepted since."""
        rows = self.connection.execute(
            _sql("accepted_under_plan"), {"sync": self.sync, "plan_id": plan.plan_id}
        )
        return frozenset(row["key"] for row in rows)

    def close_plan(self, plan_id: UUID) -> None:
        """Mark a plan as applied."""
        self.connection.execute(_sql("close_plan"), {"plan_id": plan_id})

    def begin_run(self, run_id: UUID, plan_id: UUID) -> None:
        """Open a run; runs still open belong to killed processes, since the caller holds the lock."""
        values = {"run_id": run_id, "sync": self.sync, "plan_id": plan_id}
        with self.connection.transaction():
            self.connection.execute(_sql("end_killed_runs"), values)
            self.connection.execute(_sql("insert_run"), values)

    def finish_run(
        self, run_id: UUID, state: RunState, *, message: str, verified: int, mismatched: Sequence[str]
    ) -> None:
        """Close a run with what it came to."""
        self.connection.execute(
            _sql("finish_run"),
            {
                "run_id": run_id,
                "state": state.value,
                "message": message,
                "verified": verified,
                "mismatched": json_value(list(mismatched)),
            },
        )

    def in_doubt(self) -> tuple[Delivery, ...]:
        """Return what was handed out and never answered, oldest first, as it was sent."""
        rows = self.connection.execute(_sql("in_doubt"), {"sync": self.sync})
        return tuple(Delivery(**{**row, "operation": Operation(row["operation"])}) for row in rows)

    def begin_batch(self, run_id: UUID, members: Sequence[Delivery]) -> None:
        """Make a batch and its idempotency keys durable; only then may it be sent."""
        rows = [
            {
                "batch": m.batch,
                "key": m.key,
                "operation": m.operation.value,
                "revision": m.revision,
                "idempotency_key": str(m.idempotency_key),
                "payload": m.payload,
            }
            for m in members
        ]
        self.connection.execute(
            _sql("insert_deliveries"), {"run_id": run_id, "sync": self.sync, "rows": json_value(rows)}
        )

    def settle(self, run_id: UUID, outcomes: Sequence[Outcome]) -> None:
        """Record the answers of a batch and move the ledger, in one transaction.

        Raises ConflictError, with nothing recorded, when a ledger row is not at the revision that was sent.
        """
        rows = [
            {
                "key": o.delivery.key,
                "operation": o.delivery.operation.value,
                "revision": o.delivery.revision,
                "payload": o.delivery.payload,
                "state": (DeliveryState.ACCEPTED if o.accepted else DeliveryState.REJECTED).value,
                "code": o.code,
                "message": o.message,
            }
            for o in outcomes
        ]
        values = {"run_id": run_id, "sync": self.sync, "rows": json_value(rows)}
        with self.connection.transaction():
            settled = self.connection.execute(_sql("settle_deliveries"), values).rowcount
            moved = self.connection.execute(_sql("settle_ledger"), values).rowcount
            if settled != len(rows) or moved != sum(o.accepted for o in outcomes):
                raise ConflictError(
                    f"sync {self.sync}: the ledger is not at the revision that was sent",
                    hint=f"lake sync plan {self.sync}",
                )


@contextmanager
def open_store(settings: PostgresSettings, sync: str) -> Iterator[SyncStore]:
    """Yield a store for reading and planning, without the lock."""
    with connect(settings, autocommit=True) as connection:
        yield SyncStore(sync=sync, connection=connection)


@contextmanager
def locked_store(settings: PostgresSettings, sync: str) -> Iterator[SyncStore]:
    """Yield a store whose connection holds the sync's lock; a second holder gets a ConflictError."""
    with connect(settings, autocommit=True) as connection:
        row = connection.execute(_sql("lock_sync"), {"sync": sync}).fetchone()
        if row is None or not row["held"]:
            raise ConflictError(
                f"sync {sync}: another apply is running", hint="wait for it; lake sync plan shows the result"
            )
        yield SyncStore(sync=sync, connection=connection)


def count_held(settings: PostgresSettings, sync: str) -> int:
    """Return how many records the destination holds by the ledger."""
    with open_store(settings, sync) as store:
        return store.held()


def read_sync_plan(settings: PostgresSettings, sync: str) -> StoredPlan | None:
    """Return the newest plan of a sync with its changes."""
    with open_store(settings, sync) as store:
        return store.newest_plan()


def read_sync_runs(settings: PostgresSettings, sync: str, *, limit: int = 20) -> tuple[StoredRun, ...]:
    """Return the newest runs first, with counts of the records that each of them settled."""
    with connect(settings) as connection:
        rows = connection.execute(_sql("newest_runs"), {"sync": sync, "limit": limit}).fetchall()
    return tuple(
        StoredRun(**{**row, "state": RunState(row["state"]), "mismatched": tuple(row["mismatched"])})
        for row in rows
    )


def read_rejections(settings: PostgresSettings, sync: str, *, limit: int = 200) -> tuple[Rejection, ...]:
    """Return the newest refused records first."""
    with connect(settings) as connection:
        rows = connection.execute(_sql("newest_rejections"), {"sync": sync, "limit": limit}).fetchall()
    return tuple(Rejection(**{**row, "operation": Operation(row["operation"])}) for row in rows)

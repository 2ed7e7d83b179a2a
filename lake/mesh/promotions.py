"""What an applied plan changed in the views of its environment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from lake.control import PromotionRecord
from lake.mesh.names import plain_name


def promotions(plan: Any, before: Any | None) -> Iterator[PromotionRecord]:
    """Yield a record for each view that points elsewhere than before, and for each that is gone."""
    now = datetime.now(UTC)
    old = {s.name: s for s in before.promoted_snapshots} if before is not None and not before.expired else {}
    new = {s.name: s for s in plan.environment.promoted_snapshots}

    def record(name: str, action: str, **facts: str) -> PromotionRecord:
        return PromotionRecord(
            promotion_id=uuid4(),
            plan_id=plan.plan_id,
            environment=plan.environment.name,
            model=plain_name(name),
            action=action,
            at=now,
            **facts,
        )

    for name, snapshot in sorted(new.items()):
        if name not in old or old[name].fingerprint != snapshot.fingerprint:
            table = (
                plain_name(snapshot.table_name()) if snapshot.is_model and not snapshot.is_symbolic else ""
            )
            yield record(name, "promoted", table_name=table, fingerprint=str(snapshot.version or ""))
    for name in sorted(old.keys() - new.keys()):
        yield record(name, "removed")

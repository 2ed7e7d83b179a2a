"""Refuse at plan time what no engine here can do, before anything is created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlmesh.core.engine_adapter.base import EngineAdapter
from sqlmesh.core.snapshot import Snapshot

from lake.mesh.errors import StockError


def check_supported(snapshots: Iterable[Snapshot], adapter_of: Callable[[str | None], EngineAdapter]) -> None:
    """Raise StockError naming each model that asks for what its engine lacks."""
    wrong = [
        f"{snapshot.node.name}: {reason}"
        for snapshot in snapshots
        if snapshot.is_model
        for reason in _missing(snapshot, adapter_of(snapshot.model_gateway))
    ]
    if wrong:
        raise StockError(
            "; ".join(sorted(wrong)), hint="change the models named above and plan again: nothing was applied"
        )


def _missing(snapshot: Snapshot, adapter: EngineAdapter) -> Iterator[str]:
    model, engine = snapshot.model, adapter.dialect
    if model.kind.is_managed and not adapter.SUPPORTS_MANAGED_MODELS:
        yield f"{engine} has no managed tables; use kind FULL or an incremental kind"
    if getattr(model.kind, "materialized", False) and not adapter.SUPPORTS_MATERIALIZED_VIEWS:
        yield f"{engine} has no materialized views on Iceberg; use kind FULL"
    if model.grants and not adapter.SUPPORTS_GRANTS:
        yield f"{engine} has no grants on Iceberg; give rights in the catalog or in Trino's access rules"
    if (
        engine == "duckdb"
        and (whens := getattr(model.kind, "when_matched", None))
        and len(whens.expressions) > 1
    ):
        yield "duckdb's MERGE on Iceberg takes one WHEN MATCHED; put the cases into one UPDATE"

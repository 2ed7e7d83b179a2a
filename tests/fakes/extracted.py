"""What an extract left in its tables, read back for the proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest

from ingest.extract.cursor import instant_text
from ingest.extract.landing import ResourceTables
from lake.catalog import load_table, open_catalog
from lake.catalog.scan import read_rows
from lake.settings import Settings
from lake.types import TableName


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Versions of records in the table and bytes in quarantine, sorted; coordinates of both."""

    good: list[tuple[int, str]]
    bad: list[bytes]
    coordinates: list[int]
    snapshots: int

    def assert_exactly(
        self, records: list[dict[str, Any]], *, bad: list[dict[str, Any]] | None = None
    ) -> None:
        """Fail unless each record is in exactly one of the tables, once, under a coordinate of its own."""
        assert self.good == sorted((r["id"], r["updated_at"]) for r in records)
        assert self.bad == sorted(json.dumps(r).encode() for r in bad or [])
        assert len(set(self.coordinates)) == len(self.coordinates) == len(self.good) + len(self.bad)


def extracted(settings: Settings, stream: str = "things") -> Extracted:
    """Read `raw.<stream>` and `quarantine.<stream>`."""
    catalog = open_catalog(settings)
    raw = load_table(catalog, TableName(schema=settings.landing.raw_schema, name=stream))
    quarantine = load_table(catalog, TableName(schema=settings.landing.quarantine_schema, name=stream))
    rows = read_rows(raw, columns=("id", "updated_at", "meta")).to_pylist() if raw and raw.main else []
    bad = (
        read_rows(quarantine, columns=("value", "offset")).to_pylist()
        if quarantine and quarantine.main
        else []
    )
    return Extracted(
        good=sorted((row["id"], instant_text(row["updated_at"])) for row in rows),
        bad=sorted(row["value"] for row in bad),
        coordinates=sorted([*(row["meta"]["offset"] for row in rows), *(row["offset"] for row in bad)]),
        snapshots=len(raw.ancestry) if raw else 0,
    )


def both_at_once(patch: pytest.MonkeyPatch, run: Callable[[], Any]) -> list[BaseException | None]:
    """Run twice side by side, so that both have read the same cursor; return what each ended with."""
    real, both = ResourceTables.quarantined, Barrier(2, timeout=30)

    def quarantined(tables: ResourceTables) -> Any:
        found = real(tables)
        both.wait()
        return found

    with patch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(ResourceTables, "quarantined", quarantined)
        return [started.exception() for started in [pool.submit(run) for _ in range(2)]]

"""Databases and resources of dlt under lost answers of the catalog and two runs at once: each record once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.extract import known
from ingest.extract.run import run_sources
from lake.errors import ConflictError, TransientError
from lake.postgres import connect
from lake.settings import PostgresSettings, Settings
from tests.fakes.catalog_proxy import Fault, catalog_proxy
from tests.fakes.extracted import both_at_once, extracted
from tests.fakes.orders_database import landed_orders, orders_database, orders_project
from tests.fakes.paged_api import CONTRACT
from tests.fakes.project_files import lay_out
from tests.fakes.tiny_disk import tiny_disk
from tests.unit.test_extract_dlt import MODULE

pytestmark = pytest.mark.stack

SOURCE = """\
source: shop
type: dlt
owner: testers
commit_rows: 2
resources:
  - name: things
    stream: things
    resource: 'crm_source:things'
    arguments: {token: '${token}'}
    incremental: {argument: since}
"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A project with one extract: what it should land, and what it landed."""

    settings: Settings
    origin: str
    wanted: list[int]
    landed: Callable[[], list[int]]


@pytest.fixture
def erp(stack: Settings) -> Iterator[PostgresSettings]:
    with orders_database(stack.postgres) as database:
        yield database


@pytest.fixture(params=["postgres", "dlt"])
def source(
    request: pytest.FixtureRequest,
    lake_settings: Settings,
    erp: PostgresSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Source:
    if request.param == "postgres":
        settings = orders_project(lake_settings, tmp_path, erp)
        return Source(
            settings=settings,
            origin="erp/orders",
            wanted=list(range(1, 21)),
            landed=lambda: sorted(row["id"] for row in landed_orders(settings)),
        )
    lay_out(
        tmp_path,
        {
            "ingest/contracts/things.yaml": CONTRACT,
            "ingest/sources/shop.yaml": SOURCE,
            "crm_source.py": MODULE,
        },
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "crm_source", raising=False)
    settings = lake_settings.model_copy(
        update={"project_root": tmp_path, "variables": {"token": SecretStr("hush")}}
    )
    return Source(
        settings=settings,
        origin="shop/things",
        wanted=[0, 1, 2, 4],
        landed=lambda: [number for number, _ in extracted(settings).good],
    )


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.TWICE, Fault.STRAGGLER])
def test_a_lost_or_late_answer_changes_nothing(source: Source, fault: Fault):
    """The commit is read back and counts once; a second run finds nothing new."""
    settings = source.settings
    with catalog_proxy(settings.catalog.uri, mark=f"ingest.cursor.{source.origin}".encode()) as (proxy, uri):
        proxy.arm(fault)
        moved = settings.catalog.model_copy(update={"uri": uri, "timeout_seconds": 5})
        run_sources(settings.model_copy(update={"catalog": moved}))

    assert proxy.seen == [fault]
    assert source.landed() == source.wanted
    (again,) = run_sources(settings)
    assert (again.landed, again.commits) == (0, 0)


def test_of_two_runs_at_once_one_lands_and_the_other_is_told(source: Source, monkeypatch: pytest.MonkeyPatch):
    """Both read the same cursor; nothing lands twice, and the next run completes what is left."""
    results: list[Any] = both_at_once(monkeypatch, lambda: run_sources(source.settings))

    assert sorted(type(r).__name__ for r in results) == ["ConflictError", "NoneType"]
    told = next(r for r in results if isinstance(r, ConflictError))
    assert "another run of" in told.message
    run_sources(source.settings)
    assert source.landed() == source.wanted


@pytest.mark.slow
def test_a_full_spill_disk_is_named_and_with_space_the_extract_completes(
    lake_settings: Settings, erp: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Keys that memory can't hold go to disk; where that is full too, what landed stays."""
    settings = orders_project(lake_settings, tmp_path, erp)
    definition = tmp_path / "ingest/sources/erp.yaml"
    definition.write_text(definition.read_text().replace("commit_rows: 3", "commit_rows: 20000"))
    with connect(erp) as database:
        database.execute(
            "INSERT INTO sales.orders SELECT n, at::text, 1, true, day, token, at"
            " FROM sales.orders, generate_series(21, 400000) AS n WHERE id = 1"
        )
    monkeypatch.setattr(known, "_MEMORY", "16MB")
    spill = tmp_path / ".lake" / "spill"
    spill.parent.mkdir(exist_ok=True)
    with tiny_disk("1m") as disk:
        spill.symlink_to(disk)
        with pytest.raises(TransientError, match=f"16MB of memory nor into {spill}") as failed:
            run_sources(settings)
    before = len(landed_orders(settings))
    spill.unlink()

    run_sources(settings)

    assert f"df -h {spill}" in failed.value.hint
    assert 0 < before < 400_000
    assert sorted(row["id"] for row in landed_orders(settings)) == list(range(1, 400_001))

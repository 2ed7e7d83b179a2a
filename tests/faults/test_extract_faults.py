"""Extracts under faults of the API, the catalog and the process: nothing lost, nothing doubled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import pytest

import ingest.extract.landing
from ingest.extract.cursor import instant_text
from ingest.extract.landing import ResourceTables
from ingest.extract.run import run_sources
from lake.catalog import load_table, open_catalog
from lake.errors import ConflictError, HistoryError, TerminalError, UnavailableError
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.catalog_proxy import Fault, catalog_proxy
from tests.fakes.extracted import extracted
from tests.fakes.paged_api import PagedApi, extract_project

pytestmark = pytest.mark.stack

START = datetime(2026, 1, 1, tzinfo=UTC)


class KilledError(BaseException):
    """Stands for kill -9: nothing of the program's own handlers may catch it."""


def at(second: int) -> str:
    return instant_text(START + timedelta(seconds=second))


def api_of(count: int) -> PagedApi:
    """Serve `count` good records, three to an instant."""
    api = PagedApi()
    for number in range(count):
        api.put(number, at(number // 3))
    return api


@pytest.fixture
def shop(stack: Settings, tmp_path: Path) -> Settings:
    """Give a project with one extract and schemas of this test alone; extracts need no database."""
    own = f"t{uuid4().hex[:10]}"
    schemas = {"raw_schema": f"{own}_raw", "quarantine_schema": f"{own}_quarantine"}
    return extract_project(
        tmp_path, stack.model_copy(update={"landing": stack.landing.model_copy(update=schemas)})
    )


def run(settings: Settings, api: PagedApi):
    (report,) = run_sources(settings, transport=api.transport())
    return report


def test_a_second_run_moves_nothing_and_adds_no_snapshot(shop: Settings):
    """304 when the answer is the same; a changed record alone comes in the next run."""
    api = api_of(23)
    first = run(shop, api)
    before = extracted(shop)

    second = run(shop, api)

    assert (first.landed, first.quarantined, second.landed, second.commits) == (23, 0, 0, 0)
    assert api.answers[-1] == 304
    assert extracted(shop) == before
    old = list(api.records)
    api.put(4, at(99), name="renamed")
    assert run(shop, api).landed == 1
    extracted(shop).assert_exactly([*old, api.records[-1]])


def test_a_record_at_the_very_instant_of_the_cursor_is_not_lost(shop: Settings):
    """A late record with the cursor's own time is new; its neighbours are known."""
    api = api_of(6)
    run(shop, api)
    api.put(7, at(1))

    report = run(shop, api)

    assert report.landed == 1
    extracted(shop).assert_exactly(api.records)


def test_bad_records_are_quarantined_once_however_often_they_are_sent(shop: Settings):
    """Records without a readable time are sent in every run and stay in quarantine once."""
    api = api_of(12)
    api.put(100, at(1), price=-1)
    api.put(101, at(500), price="free")
    api.records.append({"id": 102, "name": "no time", "price": 1, "updated_at": None})
    bad = [r for r in api.records if r["id"] >= 100]

    first = run(shop, api)
    run(shop, api)
    api.put(50, at(200))
    run(shop, api)

    assert first.quarantined == 3
    extracted(shop).assert_exactly([r for r in api.records if r["id"] < 100], bad=bad)


@pytest.mark.parametrize("kill_at", [1, 2, 3, 5])
def test_a_run_killed_at_any_commit_is_finished_by_the_next(
    shop: Settings, monkeypatch: pytest.MonkeyPatch, kill_at: int
):
    """Before and after each of the commits, of quarantine and table: the rerun makes it exact."""
    api = api_of(24)
    api.put(70, at(2), price=-1)
    api.put(71, at(5), price=-1)
    real, count = ingest.extract.landing.commit, iter(range(100))

    def commit(*args: Any, **options: Any) -> Any:
        number = next(count)
        if number * 2 == kill_at:
            raise KilledError
        outcome = real(*args, **options)
        if number * 2 + 1 == kill_at:
            raise KilledError
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(ingest.extract.landing, "commit", commit)
        with pytest.raises(KilledError):
            run(shop, api)
    run(shop, api)
    run(shop, api)

    extracted(shop).assert_exactly(
        [r for r in api.records if r["id"] < 70], bad=[r for r in api.records if r["id"] >= 70]
    )


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.TWICE])
def test_a_lost_answer_of_the_catalog_changes_nothing(shop: Settings, fault: Fault):
    """Applied or not, answered or not: the commit is read back and counts once."""
    api = api_of(23)
    with catalog_proxy(shop.catalog.uri, mark=b"ingest.cursor.shop/things") as (proxy, uri):
        proxy.arm(fault)
        behind = shop.model_copy(update={"catalog": shop.catalog.model_copy(update={"uri": uri})})
        report = run(behind, api)

    assert proxy.seen == [fault]
    assert report.landed == 23
    extracted(shop).assert_exactly(api.records)


def test_two_runs_at_once_land_each_record_once(shop: Settings, monkeypatch: pytest.MonkeyPatch):
    """Both read the same cursor; the slower one is told and has committed nothing twice."""
    api = api_of(9)
    real, both = ResourceTables.quarantined, Barrier(2, timeout=30)

    def quarantined(tables: ResourceTables) -> Any:
        found = real(tables)
        both.wait()
        return found

    monkeypatch.setattr(ResourceTables, "quarantined", quarantined)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        results = [f.exception() for f in [pool.submit(run, shop, api) for _ in range(2)]]

    assert sorted(type(r).__name__ for r in results) == ["ConflictError", "NoneType"]
    assert "another run of shop.things" in str(next(r for r in results if isinstance(r, ConflictError)))
    extracted(shop).assert_exactly(api.records)


def test_a_table_that_was_rolled_back_stops_the_extract(shop: Settings):
    """A cursor whose commit is gone from history is never trusted."""
    api = api_of(23)
    run(shop, api)
    state = load_table(open_catalog(shop), TableName(schema=shop.landing.raw_schema, name="things"))
    assert state is not None
    state.handle.manage_snapshots().rollback_to_snapshot(state.ancestry[1].id).commit()
    api.put(50, at(50))

    with pytest.raises(HistoryError, match="was rolled back"):
        run(shop, api)


def test_broken_answers_in_the_middle_are_survived(shop: Settings):
    """Busy, broken, cut-off answers and lost connections cost time and nothing else."""
    api = api_of(40)

    def cut(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("peer closed connection", request=request)

    def fine(_request: httpx.Request) -> None:
        return None

    api.faults = [
        fine,
        lambda _: httpx.Response(429, headers={"retry-after": "0"}),
        fine,
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(200, content=b'{"data":[{"id":1,'),
        fine,
        cut,
    ]

    run(shop, api)

    extracted(shop).assert_exactly(api.records)


def test_a_page_cursor_that_repeats_is_an_error_and_keeps_what_came_before(shop: Settings):
    """No endless loop; the next run, on an API that is well again, lands the rest."""
    api = api_of(40)
    circle = [lambda _: None] * 4 + [lambda _: httpx.Response(200, json={"data": [], "next": "5"})]
    api.faults = list(circle)

    with pytest.raises(TerminalError, match="names the page '5' twice"):
        run(shop, api)

    assert 0 < len(extracted(shop).good) < 40
    run(shop, api)
    extracted(shop).assert_exactly(api.records)


def test_an_api_that_is_down_is_named_with_the_next_command(shop: Settings, tmp_path: Path):
    """Nothing listens: the message says who, where and what to do, soon."""
    nobody = extract_project(tmp_path, shop, url="http://127.0.0.1:9")

    with pytest.raises(
        UnavailableError, match=r"API shop: http://127\.0\.0\.1:9/things gave no page"
    ) as caught:
        run_sources(nobody)

    assert "lake extract run shop" in caught.value.hint
    assert caught.value.exit_code == 4
    assert extracted(shop).snapshots == 0

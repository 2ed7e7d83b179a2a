"""Extracts under faults of the API, the catalog and the process: nothing lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

import ingest.care
import ingest.extract.landing
from ingest.extract.cursor import instant_text
from ingest.extract.landing import ResourceTables
from ingest.extract.run import run_sources
from lake.catalog import load_table, open_catalog
from lake.errors import ConflictError, HistoryError, TerminalError, UnavailableError
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.cared_for import cared_for
from tests.fakes.catalog_proxy import Fault, catalog_proxy
from tests.fakes.extracted import both_at_once, extracted
from tests.fakes.killed import KilledError
from tests.fakes.paged_api import PagedApi, extract_project

pytestmark = pytest.mark.stack

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: int) -> str:
    return instant_text(START + timedelta(seconds=second))


def api_of(count: int) -> PagedApi:
    """Serve `count` good records, three to an instant."""
    api = PagedApi()
    for number in range(count):
        api.put(number, at(number // 3))
    return api


@pytest.fixture
def shop(own_schemas: Settings, tmp_path: Path) -> Settings:
    """Give a project with one extract."""
    return extract_project(tmp_path, own_schemas)


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

    results = both_at_once(monkeypatch, lambda: run(shop, api))

    assert sorted(type(r).__name__ for r in results) == ["ConflictError", "NoneType"]
    assert "another run of shop.things" in str(next(r for r in results if isinstance(r, ConflictError)))
    extracted(shop).assert_exactly(api.records)


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something else happen between the fetching of the first batch and its commits."""
    real = ResourceTables.land_files

    def arrange(meanwhile: Callable[[], object]) -> None:
        acts = iter([meanwhile])

        def land_files(tables: ResourceTables, *given: Any) -> None:
            if (act := next(acts, None)) is not None:
                act()
            real(tables, *given)

        monkeypatch.setattr(ResourceTables, "land_files", land_files)

    return arrange


def test_a_run_that_was_overtaken_refuses_nothing_under_the_numbers_of_others(shop: Settings, overtaken: Any):
    """It saw a bad record that the API has mended since; the other run gave its number to a good one."""
    api = api_of(6)
    api.put(70, at(1), price=-1)

    def meanwhile() -> None:
        api.put(70, at(1))
        run(shop, api)

    overtaken(meanwhile)
    with pytest.raises(ConflictError, match="another run"):
        run(shop, api)

    run(shop, api)
    extracted(shop).assert_exactly(api.records)


def test_a_run_that_was_overtaken_by_half_a_commit_lands_nothing_under_its_numbers(
    shop: Settings, overtaken: Any, monkeypatch: pytest.MonkeyPatch
):
    """The other one died when its bad record was quarantined and its good ones were not landed yet."""
    api = api_of(6)
    real = ingest.extract.landing.commit

    def commit(*given: Any, **options: Any) -> None:
        real(*given, **options)
        raise KilledError

    def meanwhile() -> None:
        api.put(70, at(50), price=-1)
        with monkeypatch.context() as patch:
            patch.setattr(ingest.extract.landing, "commit", commit)
            with pytest.raises(KilledError):
                run(shop, api)

    overtaken(meanwhile)
    with pytest.raises(ConflictError, match="another run"):
        run(shop, api)

    run(shop, api)
    extracted(shop).assert_exactly(
        [r for r in api.records if r["id"] != 70], bad=[r for r in api.records if r["id"] == 70]
    )


def test_the_tables_of_an_extract_are_cared_for(shop: Settings, monkeypatch: pytest.MonkeyPatch):
    """Whichever process makes the commit that is due; the rows stay."""
    monkeypatch.setattr(ingest.care, "_COMPACT_EVERY", 3)
    api = api_of(9)
    with capture_logs() as logs:
        for _ in range(3):
            run(shop, api)
            api.put(len(api.records), at(99 + len(api.records)))
    run(shop, api)

    assert cared_for(logs) == {f"{shop.landing.raw_schema}.things"}
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


def test_records_that_change_their_schema_are_refused_or_land_and_never_stop_the_walk(shop: Settings):
    """A member more is left out; one less, or of another type, is quarantined once; the cursor moves on."""
    api = api_of(6)
    run(shop, api)
    api.put(50, at(50), colour="red")
    api.put(51, at(51))
    del api.records[-1]["name"]
    api.put(52, at(52), price={"amount": 1, "currency": "EUR"})
    api.put(53, at(53))
    bad = [r for r in api.records if r["id"] in {51, 52}]

    report = run(shop, api)
    again = run(shop, api)

    assert (report.landed, report.quarantined, again.commits) == (2, 2, 0)
    extracted(shop).assert_exactly([r for r in api.records if r not in bad], bad=bad)


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

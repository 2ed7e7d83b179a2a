"""One walk at a time: where it goes on, what it asks for, what it refuses."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from lake.errors import RefusedError
from tests.fakes.extract_world import Shop, extract_of, run, version
from tests.fakes.faulty_api import FaultyApi
from tests.fakes.killed import KilledError
from tests.fakes.memory_tables import MemoryTables


def shop_of(style: str, count: int, **given: object) -> Shop:
    shop = Shop(FaultyApi(style=style, size=2, **given))
    for number in range(count):
        shop.change(number, "good", 1)
    return shop


def test_a_killed_walk_goes_on_at_its_page_where_pages_have_names():
    """By cursor the second run asks for the rest only; numbered pages are walked again, landing once."""
    asked = {}
    for style in ("cursor", "next_url", "link", "page", "offset"):
        shop, tables = shop_of(style, 12), MemoryTables(kill_at=3)  # after the first of several commits
        extract = extract_of(shop.api, incremental={})
        with pytest.raises(KilledError):
            run(extract, shop.api, tables)
        tables.kill_at, shop.api.requests = None, 0

        report = run(extract, shop.api, tables)

        landed = [row["id"] for row in tables.content()]
        assert sorted(landed) == list(range(12))
        assert report.landed == 12 - tables.landed[0].num_rows
        asked[style] = report.fetched
    assert asked["cursor"] == asked["next_url"] == asked["link"] == 12 - 4
    assert asked["page"] == asked["offset"] == 12


def test_what_moves_to_a_page_that_was_seen_before_a_kill_is_met_by_the_next_run():
    """Cursors and addresses may be numbers in disguise: records that change make room for others."""
    for style in ("cursor", "next_url", "link"):
        shop, tables = shop_of(style, 12), MemoryTables(kill_at=3)
        extract = extract_of(shop.api, incremental={})
        with pytest.raises(KilledError):
            run(extract, shop.api, tables)
        tables.kill_at = None
        for number in range(4):
            shop.change(number, "good", 10)

        for _ in range(2):
            run(extract, shop.api, tables)

        assert {version(row) for row in tables.content()} == shop.versions
        assert run(extract, shop.api, tables).commits == 0


def test_a_page_that_the_api_has_forgotten_starts_the_walk_anew():
    """An expired cursor costs a walk, nothing else."""
    shop, tables = shop_of("cursor", 12), MemoryTables(kill_at=3)
    extract = extract_of(shop.api, incremental={})
    with pytest.raises(KilledError):
        run(extract, shop.api, tables)
    tables.kill_at, shop.api.forgets = None, True

    report = run(extract, shop.api, tables)

    assert report.fetched == 12
    assert sorted(row["id"] for row in tables.content()) == list(range(12))


def test_the_cursor_waits_for_the_end_of_the_walk_unless_order_is_promised():
    """Only an API that promises order moves it with every commit."""
    moved = {}
    for order in ("any", "ascending"):
        shop, tables = shop_of("page", 12), MemoryTables(kill_at=3)
        with pytest.raises(KilledError):
            run(extract_of(shop.api, incremental={"order": order}), shop.api, tables)
        moved[order] = tables.stored.since

    assert moved["any"] is None
    assert moved["ascending"] is not None


def test_an_api_that_breaks_its_order_is_noticed_and_nothing_is_passed_over():
    """The cursor goes back to where the walk began until it has ended."""
    shop, tables = shop_of("page", 12, disordered=True), MemoryTables()

    with capture_logs() as logs:
        run(extract_of(shop.api, incremental={"order": "ascending"}), shop.api, tables)

    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["extract.disordered"]
    assert sorted(row["id"] for row in tables.content()) == list(range(12))
    assert tables.stored.since is not None


def test_an_api_that_ignores_the_time_lands_nothing_twice():
    """Records older than asked for are held against the whole table, and it is said."""
    shop, tables = shop_of("page", 6, filters=False), MemoryTables()
    extract = extract_of(shop.api, incremental={})
    run(extract, shop.api, tables)
    shop.change(3, "good", 1)

    with capture_logs() as logs:
        report = run(extract, shop.api, tables)

    assert (report.fetched, report.landed) == (6, 1)
    assert "extract.older_than_asked" in [entry["event"] for entry in logs]


def test_a_late_record_inside_the_look_back_lands_once():
    """What was written behind the cursor is asked for again; its neighbours are known."""
    shop, tables = shop_of("cursor", 6), MemoryTables()
    extract = extract_of(shop.api, incremental={"lookback": 5})
    run(extract, shop.api, tables)
    shop.change(100, "good", -3)

    reports = [run(extract, shop.api, tables) for _ in range(2)]

    assert [r.landed for r in reports] == [1, 0]


def test_an_unchanged_answer_is_asked_for_by_its_tag():
    """304: nothing is fetched, checked or committed, neither for changes nor for a full refresh."""
    for given in ({"incremental": {}}, {"refresh": {}}):
        shop, tables = shop_of("none", 5), MemoryTables()
        extract = extract_of(shop.api, **given)
        first = run(extract, shop.api, tables)

        second = run(extract, shop.api, tables)

        assert (first.landed, second.fetched, tables.commits) == (5, 0, 1)


def test_too_many_deletes_at_once_are_refused():
    """An answer that lost most of its records deletes nothing until somebody says so."""
    shop, tables = shop_of("page", 10), MemoryTables()
    run(extract_of(shop.api, refresh={}), shop.api, tables)
    for number in range(6):
        shop.remove(number)
    shop.change(50, "good", 1)

    with pytest.raises(RefusedError, match="no longer has 6 of the 10 records"):
        run(extract_of(shop.api, refresh={}), shop.api, tables)

    assert [row["id"] for row in tables.content()][10:] == [50]
    report = run(extract_of(shop.api, refresh={"max_deleted": 0.6}), shop.api, tables)
    assert report.deleted == 6
    assert sorted(row["id"] for row in tables.content()[11:]) == list(range(6))


def test_a_refresh_without_deletes_keeps_what_is_gone():
    """For APIs that show only a part."""
    shop, tables = shop_of("page", 4), MemoryTables()
    extract = extract_of(shop.api, refresh={"deletes": False})
    run(extract, shop.api, tables)
    shop.remove(0)

    report = run(extract, shop.api, tables)

    assert (report.landed, report.deleted) == (0, 0)

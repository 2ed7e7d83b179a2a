"""Quarantine as an operator sees it: by cause, masked, with what became of each record."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingest.extract.run import run_sources
from ingest.landing import run_streams
from ingest.quarantine.cause import Cause
from ingest.quarantine.discard import discard
from ingest.quarantine.reading import open_quarantines
from ingest.replay import Who, replay
from lake.catalog import load_table, open_catalog
from lake.catalog.scan import read_rows
from lake.clock import SystemClock
from lake.contracts import load_contracts
from lake.control import read_acts
from lake.mesh.session import open_session
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.commands import lake
from tests.fakes.paged_api import PagedApi, extract_project
from tests.fakes.refused_world import hold_to
from tests.fakes.topic_world import TopicWorld

pytestmark = pytest.mark.stack


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    """Land a topic of which every seventh record is poison."""
    made = TopicWorld(lake_settings, poison_every=7)
    made.produce(140)
    run_streams(lake_settings, [made.contract])
    return made


def by_cause(rows: list[dict[str, Any]]) -> Counter[str]:
    """Count the records of each cause by hand."""
    return Counter(
        cause
        for row in rows
        for cause in {str(Cause(stream="transactions", rule=r["rule"], path=r["path"])) for r in row["rules"]}
    )


def test_causes_count_the_records_that_break_each_rule(world: TopicWorld) -> None:
    """Against the rows of the table, counted by hand; open at first, all of one contract version."""
    rows = world.quarantined()
    with open_quarantines(world.settings) as reader:
        found = reader.causes("transactions")
    assert {str(c.cause): c.records for c in found} == by_cause(rows)
    assert all(c.open == c.records and c.versions == ("1.0.0",) for c in found)
    alone = {str(c.cause): c.alone for c in found}
    assert alone["transactions/json"] == by_cause(rows)["transactions/json"]
    assert alone["transactions/type/household_id"] == 0  # other columns are missing there too
    places = {(row["partition"], row["offset"]) for row in rows}
    assert {(c.example.partition, c.example.offset) for c in found} <= places


def test_discarded_records_are_open_no_more_and_stay_readable(world: TopicWorld) -> None:
    """Counts move from open to discarded, the view tells why, a second discard finds none."""
    cause = Cause.parse("transactions/json")
    with open_quarantines(world.settings) as reader:
        count = next(c.open for c in reader.causes("transactions") if c.cause == cause)
        done = discard(reader, cause, reason="tests of the till", actor="ada", clock=SystemClock())
        assert done == count > 0
        assert discard(reader, cause, reason="again", actor="ada", clock=SystemClock()) == 0
        after = {c.cause: c for c in reader.causes("transactions")}
    assert (after[cause].open, after[cause].discarded, after[cause].records) == (0, count, count)
    assert all(c.discarded == 0 for other, c in after.items() if other != cause)
    schema = world.settings.landing.quarantine_schema
    with open_session(world.settings) as session:
        states = session.query(
            f"SELECT state, resolution_reason, count(*) AS n FROM {schema}.records GROUP BY ALL"
        ).to_pylist()
    assert {(s["state"], s["resolution_reason"]): s["n"] for s in states} == {
        ("discarded", "tests of the till"): count,
        ("open", None): len(world.quarantined()) - count,
    }


def test_refused_records_of_an_extract_land_once_and_stay_known_to_it(
    lake_settings: Settings, tmp_path: Path
) -> None:
    """The API sends them again and again; the replayed ones keep their number, key and time."""
    shop = extract_project(tmp_path, lake_settings)
    api = PagedApi()
    for number, price in enumerate((1, -2, 3, -4)):
        api.put(number, f"2026-01-01T00:00:0{number}Z", price=price)
    run_sources(shop, transport=api.transport())
    contract = load_contracts(shop.project_root / "ingest" / "contracts")[0]
    assert [r["id"] for r in extracted_rows(shop)] == [0, 2]
    who = Who(actor="ada", reason="credits are true")
    lenient = replace(contract, version="1.0.1", rules=())
    hold_to(shop, lenient)
    with open_quarantines(shop) as reader:
        report = replay(reader, lenient, cause=None, who=who, clock=SystemClock())
    hold_to(shop, contract)
    assert (report.found, report.landed) == (2, 2)
    rows = extracted_rows(shop)
    assert [r["id"] for r in rows] == [0, 1, 2, 3]
    assert [r["meta"]["key"] for r in rows] == ["0", "1", "2", "3"]
    assert all(
        r["meta"]["produced_at"] == r["updated_at"] and r["meta"]["source"] == "shop.things" for r in rows
    )
    assert len({r["meta"]["offset"] for r in rows}) == 4
    (again,) = run_sources(shop, transport=api.transport())
    assert (again.landed, again.quarantined) == (0, 0)


def extracted_rows(settings: Settings) -> list[dict[str, Any]]:
    name = TableName(schema=settings.landing.raw_schema, name="things")
    state = load_table(open_catalog(settings), name)
    assert state is not None
    rows = read_rows(state, columns=("id", "updated_at", "meta")).to_pylist()
    return sorted(rows, key=lambda r: r["id"])


def test_the_commands_list_show_and_discard(world: TopicWorld, lake_environment: dict[str, str]) -> None:
    """What an operator types, one after the other; personal data only with a reason, which is kept."""
    quarantine = partial(lake, world.settings, lake_environment, "quarantine")
    listed = quarantine("list", "--json")
    assert listed.returncode == 0, listed.stderr
    causes = {c["cause"]: c for c in json.loads(listed.stdout)}
    assert causes["transactions/type/household_id"]["open"] > 0

    shown = quarantine("show", "transactions/type/household_id", "--limit", "1")
    assert "***" in shown.stdout
    assert "3.7" not in shown.stdout
    refused = quarantine("show", "transactions/type/household_id", "--unmasked")
    assert refused.returncode == 2
    bare = quarantine(
        "show", "transactions/type/household_id", "--unmasked", "--reason", "ticket 7", "--json"
    )
    assert json.loads(bare.stdout)[0]["value"] == '{"household_id":3.7}'

    silent = quarantine("discard", "--cause", "transactions/empty")
    assert silent.returncode == 2
    done = quarantine("discard", "--cause", "transactions/empty", "--reason", "tombstones")
    assert done.returncode == 0, done.stderr
    left = quarantine("list", "transactions", "--json")
    assert "transactions/empty" not in {c["cause"] for c in json.loads(left.stdout)}
    everything = quarantine("list", "transactions", "--all", "--json")
    assert "transactions/empty" in {c["cause"] for c in json.loads(everything.stdout)}
    acts = {(act.act, act.reason) for act in read_acts(world.settings.postgres)}
    assert {("quarantine.show", "ticket 7"), ("quarantine.discard", "tombstones")} <= acts

    replayed = quarantine("replay", "--cause", "transactions/json", "--json")
    assert replayed.returncode == 0, replayed.stderr
    report = json.loads(replayed.stdout)
    assert report["landed"] == 0
    assert report["failing"] == {"transactions/json": report["found"]}
    both = quarantine("replay", "--cause", "transactions/json", "--stream", "transactions")
    assert both.returncode == 2

    unknown = quarantine("list", "nothing")
    assert unknown.returncode == 2
    assert "transactions" in unknown.stderr

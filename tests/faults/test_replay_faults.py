"""Replays that crash, lose answers or meet others: each record still lands once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

import ingest.care
from ingest.landing import run_streams
from ingest.quarantine.cause import Cause
from ingest.quarantine.discard import discard
from ingest.quarantine.pending import TOTAL
from ingest.replay import plan
from lake.catalog import LakeCatalog, drop_table, open_catalog
from lake.clock import SystemClock
from lake.contracts import ContractMovedError
from lake.errors import HistoryError, OutcomeUnknownError
from lake.mesh.session import Session, open_session
from lake.settings import Settings
from lake.types import TableName
from tests.fakes import soak
from tests.fakes.cared_for import cared_for
from tests.fakes.catalog_proxy import Fault, catalog_proxy
from tests.fakes.crashing_catalog import CrashingCatalog
from tests.fakes.deployed import WIDER, deploy, version
from tests.fakes.killed import KilledError
from tests.fakes.refused_world import QUANTITY, VALUE, RefusedWorld, hold_to, strict
from tests.fakes.topic_world import transactions

pytestmark = pytest.mark.stack

FAST = {Fault.DROP_AFTER, Fault.TWICE, Fault.STATUS_409_BEFORE}


@pytest.fixture(scope="module")
def session(stack: Settings) -> Iterator[Session]:
    """Open the engine once for all tests here."""
    with open_session(stack) as opened:
        yield opened


@pytest.fixture
def world(lake_settings: Settings, session: Session) -> RefusedWorld:
    return RefusedWorld(lake_settings, session)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut replays so that even a small one needs several commits."""
    monkeypatch.setattr(plan.plan_chunks, "__kwdefaults__", {"most_records": 40, "most_bytes": 10**9})


def test_a_replay_lands_what_passes_now_under_its_first_coordinate(world: RefusedWorld) -> None:
    """What still fails stays with its first reason; a second replay finds only that and lands nothing."""
    before = {(r["partition"], r["offset"]): r["rules"] for r in world.topic.quarantined()}
    report = world.replay()
    assert report.landed == len(before) - sum(report.failing.values()) > 0
    world.check_all_landed()
    assert {(r["partition"], r["offset"]): r["rules"] for r in world.topic.quarantined()} == before
    again = world.replay()
    assert (again.found, again.landed) == (sum(report.failing.values()), 0)
    world.check_all_landed()
    schema = world.settings.landing.quarantine_schema
    query = f"SELECT state, count(*) AS n FROM {schema}.records GROUP BY ALL"
    states = world.session.query(query).to_pylist()
    assert {s["state"]: s["n"] for s in states} == {"replayed": report.landed, "open": again.found}


def test_a_replay_of_one_cause_leaves_the_records_of_others(world: RefusedWorld) -> None:
    """Causes overlap: whatever was freed by the first is not there for the second."""
    found = world.replay(QUANTITY)
    assert found.landed == found.found > 0
    world.check()
    other = world.replay(VALUE)
    assert other.landed == other.found > 0
    counts = {c.cause: c for c in world.reader().causes("transactions")}
    assert (counts[QUANTITY].open, counts[VALUE].open) == (0, 0)
    assert counts[VALUE].replayed > other.landed
    world.replay()
    world.check_all_landed()


def test_a_replay_under_the_same_contract_moves_nothing(world: RefusedWorld) -> None:
    """No commit, no snapshot; the report says by cause why they stay."""
    main = world.raw_state().main
    with world.held(strict(), afterwards=transactions()):
        report = world.replay(contract=strict())
    assert (report.landed, report.commits) == (0, 0)
    assert sum(report.failing.values()) == report.found
    assert world.raw_state().main == main
    world.check()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, *(pytest.param(at, marks=pytest.mark.slow) for at in (3, 4, 5))])
@pytest.mark.usefixtures("small_chunks")
def test_a_replay_that_dies_around_any_commit_is_completed_by_the_next(
    world: RefusedWorld, *, at: int, after: bool
) -> None:
    """Commits alternate between the table of rows and the resolutions."""
    with pytest.raises(KilledError):
        world.replay(catalog=CrashingCatalog(world.settings, at=at, after=after))
    world.check()
    world.replay()
    world.check_all_landed()


@pytest.mark.parametrize(
    "fault", [f if f in FAST else pytest.param(f, marks=pytest.mark.slow) for f in Fault]
)
def test_a_replay_whose_answer_is_lost_or_wrong_lands_once(world: RefusedWorld, fault: Fault) -> None:
    """Both commits: rows and resolution; no file of a live snapshot is deleted."""
    with catalog_proxy(world.settings.catalog.uri, mark=b"ingest.commit") as (proxy, uri):
        moved = world.settings.catalog.model_copy(update={"uri": uri, "timeout_seconds": 5})
        settings = world.settings.model_copy(update={"catalog": moved})
        proxy.arm(fault, fault)
        world.replay(catalog=open_catalog(settings))
        assert len(proxy.seen) == 2
    world.check_all_landed()


def test_an_outcome_that_stays_unknown_is_found_out_by_the_next_replay(world: RefusedWorld) -> None:
    """The catalog applies the rows and is never heard of again."""
    with catalog_proxy(world.settings.catalog.uri, mark=b"ingest.replay") as (proxy, uri):
        proxy.die_after = True
        proxy.arm(Fault.DROP_AFTER)
        moved = world.settings.catalog.model_copy(update={"uri": uri, "timeout_seconds": 1})
        short = world.settings.landing.model_copy(update={"deadline_seconds": 1.5})
        world.settings, own = world.settings.model_copy(update={"landing": short}), world.settings
        with pytest.raises(OutcomeUnknownError):
            world.replay(catalog=open_catalog(own.model_copy(update={"catalog": moved})))
        world.settings = own
    world.check()
    assert world.replay().landed == 0
    world.check_all_landed()


@pytest.mark.usefixtures("small_chunks")
def test_two_replays_at_once_land_each_record_once(world: RefusedWorld) -> None:
    """Of different causes that share records; nobody holds a lock."""
    causes: list[Cause | None] = [QUANTITY, VALUE, None]
    with ThreadPoolExecutor(3) as pool:
        reports = [run.result() for run in [pool.submit(world.replay, cause) for cause in causes]]
    assert sum(r.landed for r in reports) == len(world.topic.quarantined()) - len(world.open_coordinates())
    world.replay()
    world.check_all_landed()


class MeddlingCatalog(LakeCatalog):
    """Lets something else happen right before one commit is sent."""

    def __init__(self, settings: Settings, *, at: int, meddle: Any) -> None:
        super().__init__(settings)
        self.left, self.meddle = at, meddle

    def commit_table(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.meddle()
        return super().commit_table(*arguments, **named)


def test_a_replay_that_another_overtakes_drops_what_landed_meanwhile(world: RefusedWorld) -> None:
    """A zombie: it read everything, slept, and commits when all of it is replayed by somebody else."""
    zombie = MeddlingCatalog(world.settings, at=1, meddle=lambda: world.replay(QUANTITY))
    report = world.replay(catalog=zombie)
    assert report.elsewhere > 0
    assert report.landed > 0
    world.check_all_landed()


def test_a_replay_and_the_streams_writer_do_not_disturb_each_other(world: RefusedWorld) -> None:
    """Both lose a commit to the other, stage again, and positions stay where the writer put them."""
    world.replay(catalog=MeddlingCatalog(world.settings, at=1, meddle=lambda: world.land(60)))
    world.check()
    world.topic.produce(60)

    def replay() -> None:
        with world.held(transactions(), afterwards=strict()):
            world.replay()

    writer = MeddlingCatalog(world.settings, at=2, meddle=replay)
    with world.held(strict(), afterwards=transactions()):
        run_streams(world.settings, [strict()], catalog=writer)
    world.check()
    world.replay()
    world.check_all_landed()


def test_a_replay_between_the_two_commits_of_a_batch_doubles_nothing(world: RefusedWorld) -> None:
    """The quarantine knows records whose batch never reached the table; landing leaves them out for good."""
    world.topic.produce(60)
    dying = CrashingCatalog(world.settings, at=1, after=True)
    with world.held(strict(), afterwards=transactions()), pytest.raises(KilledError):
        run_streams(world.settings, [strict()], catalog=dying)
    world.replay()
    with world.held(strict(), afterwards=transactions()):
        run_streams(world.settings, [strict()])
    world.check_all_landed()


def test_a_replay_under_a_contract_that_is_not_deployed_lands_nothing(world: RefusedWorld) -> None:
    """As landing: the table says by which contract its rows are judged, and the message what to do."""
    main = world.raw_state().main
    with pytest.raises(ContractMovedError, match=r"is held to 1\.0\.0") as caught:
        world.replay(contract=strict())
    assert "lake contract deploy" in caught.value.hint
    assert world.raw_state().main == main


@pytest.mark.usefixtures("small_chunks")
def test_a_deploy_in_the_middle_of_a_replay_stops_it_and_the_next_goes_on_by_it(world: RefusedWorld) -> None:
    """What was judged by the older version and not committed yet is judged again by the new one."""
    new = version(transactions(), *WIDER)
    slow = MeddlingCatalog(world.settings, at=3, meddle=lambda: deploy(world.settings, new))
    with pytest.raises(ContractMovedError, match=r"is held to 1\.1\.0"):
        world.replay(catalog=slow)
    world.check()
    before = len(world.topic.raw())
    world.replay(contract=new)
    world.check_all_landed()
    replayed = Counter(row["meta"]["schema_version"] for row in world.topic.raw())
    assert replayed["1.1.0"] == len(world.topic.raw()) - before > 0


def test_a_record_that_is_discarded_while_it_is_replayed_counts_as_replayed(world: RefusedWorld) -> None:
    """The table of rows has the last word; a discarded record is not replayed later."""

    def discard_all() -> None:
        discard(world.reader(), QUANTITY, reason="late", actor="bob", clock=SystemClock())

    report = world.replay(QUANTITY, catalog=MeddlingCatalog(world.settings, at=1, meddle=discard_all))
    assert report.landed == report.found
    world.check()
    (summary,) = (c for c in world.reader().causes("transactions") if c.cause == QUANTITY)
    assert (summary.replayed, summary.discarded) == (summary.records, 0)
    discard(world.reader(), VALUE, reason="never", actor="bob", clock=SystemClock())
    assert world.replay(VALUE).found == 0


def test_resolutions_that_were_dropped_stop_a_replay(world: RefusedWorld) -> None:
    """Without them every record would look open and land a second time."""
    world.replay(QUANTITY)
    drop_table(
        open_catalog(world.settings),
        TableName(schema=world.settings.landing.quarantine_schema, name="resolutions"),
    )
    with pytest.raises(HistoryError, match="somebody changed that table"):
        world.replay()


def test_a_table_that_was_rolled_back_behind_a_replay_stops_the_next(world: RefusedWorld) -> None:
    """The records would be marked as replayed and be nowhere."""
    before = world.raw_state()
    world.replay(QUANTITY)
    assert before.main is not None
    before.handle.refresh().manage_snapshots().rollback_to_snapshot(before.main).commit()
    with pytest.raises(HistoryError, match="rolled back"):
        world.replay()


def test_a_table_that_was_dropped_and_landed_anew_begins_with_open_records(world: RefusedWorld) -> None:
    """What was replayed into the old table is not in the new one."""
    world.replay()
    catalog, landing = open_catalog(world.settings), world.settings.landing
    for schema in (landing.raw_schema, landing.quarantine_schema):
        drop_table(catalog, TableName(schema=schema, name="transactions"))
    run_streams(world.settings, [strict()])
    hold_to(world.settings, transactions())
    world.check()
    world.replay()
    world.check_all_landed()


@pytest.mark.usefixtures("small_chunks")
def test_properties_do_not_grow_with_the_number_of_replays(world: RefusedWorld) -> None:
    """At most the last one waits while a replay runs, none afterwards."""
    seen: list[int] = []

    class Watching(LakeCatalog):
        def commit_table(self, *arguments: Any, **named: Any) -> Any:
            response = super().commit_table(*arguments, **named)
            seen.append(sum(k.startswith("ingest.replay.") for k in response.metadata.properties))
            return response

    report = world.replay(catalog=Watching(world.settings))
    assert report.commits >= 3
    assert max(seen) == 1
    assert TOTAL in world.raw_state().properties
    world.check_all_landed()


def test_a_table_that_is_replayed_into_is_cared_for(
    world: RefusedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after landing's own commits, and the rows stay."""
    monkeypatch.setattr(ingest.care, "_COMPACT_EVERY", 1)
    with capture_logs() as logs:
        world.replay()
    assert cared_for(logs) == {str(world.raw_state().name)}
    world.check_all_landed()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("small_chunks")
def test_random_crashes_and_meddlers_never_double_a_record(world: RefusedWorld) -> None:
    """Replays die at random commits while others land and replay; the seed is printed."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - what a failure is repeated with
    draw = random.Random(seed)
    crashes, rounds = 0, 30
    for _ in range(rounds):
        world.land(draw.randrange(80))
        meddle = draw.choice([world.replay, lambda: world.land(20), lambda: world.replay(QUANTITY)])
        catalog = draw.choice(
            [
                CrashingCatalog(world.settings, at=draw.randrange(1, 9), after=draw.random() < 0.5),
                MeddlingCatalog(world.settings, at=draw.randrange(1, 6), meddle=meddle),
            ]
        )
        try:
            world.replay(draw.choice([None, QUANTITY, VALUE]), catalog=catalog)
        except KilledError:
            crashes += 1
        world.check()
    world.replay()
    world.check_all_landed()
    soak.report("replays", seed, rounds=rounds, crashes=crashes, records=world.topic.produced)

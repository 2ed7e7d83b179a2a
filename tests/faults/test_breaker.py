"""The circuit breaker: too many bad records stop a stream, nothing is dropped, a person closes it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ingest.codec import Failure
from ingest.extract.run import run_sources
from ingest.landing import run_streams
from ingest.quarantine import BadRecord
from ingest.quarantine import breaker as breaker_module
from ingest.quarantine.breaker import Judged, StreamBreaker, Window
from ingest.quarantine.resume import resume
from lake.clock import SystemClock
from lake.contracts import Breaker, Contract, load_contracts
from lake.control.breakers import open_breaker, read_breaker, read_open_breakers
from lake.errors import BadInputError, RefusedError
from lake.settings import Settings
from lake.types import Offset, Partition
from tests.fakes.commands import lake
from tests.fakes.paged_api import CONTRACT, PagedApi, extract_project
from tests.fakes.refused_world import strict
from tests.fakes.topic_world import TopicWorld, landed, transactions

STREAM = "transactions"


def limited(share: float, records: int) -> Contract:
    """Return a contract that refuses most records and has a breaker."""
    return replace(strict(), breaker=Breaker(share=share, records=records))


@pytest.mark.parametrize(
    ("batches", "is_too_bad"),
    [
        ([(9, 9)], False),  # too few to judge
        ([(10, 5)], False),  # exactly the share is allowed
        ([(10, 6)], True),
        ([(5, 5), (5, 1)], True),
        ([(10, 10), (10, 0)], False),  # what was bad is long ago
        ([(10, 0), (4, 4), (4, 4)], False),  # the batch that completes the last ten counts whole
        ([(10, 0), (4, 4), (4, 4), (4, 4)], True),
    ],
)
def test_a_window_judges_the_last_records_once_there_are_enough(
    batches: list[tuple[int, int]], *, is_too_bad: bool
) -> None:
    """More than half of the last ten."""
    window = Window(Breaker(share=0.5, records=10))
    for records, bad in batches:
        window.add(records, bad)
    assert window.is_too_bad == is_too_bad


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    made = TopicWorld(lake_settings, poison_every=29, contract=limited(0.5, 100))
    made.produce(150)
    return made


@pytest.mark.stack
def test_a_stream_whose_bad_share_passes_its_limit_commits_nothing_and_stays_stopped(
    world: TopicWorld,
) -> None:
    """Also after a restart; its state names how many, of how many, and the worst cause."""
    with pytest.raises(RefusedError, match="circuit breaker is open") as caught:
        run_streams(world.settings, [world.contract])
    assert "lake ingest resume" in caught.value.hint
    assert (world.raw(), world.quarantined()) == ([], [])
    state = read_breaker(world.settings.postgres, STREAM)
    assert state.is_open
    assert state.cause.startswith("transactions/")
    assert state.bad > 0.5 * state.records >= 50
    with pytest.raises(RefusedError):  # also under a contract that refuses nothing
        run_streams(world.settings, [transactions()])
    assert read_open_breakers(world.settings.postgres) == (state,)


@pytest.mark.stack
def test_a_closed_breaker_lets_through_what_the_log_held_and_judges_what_comes_after(
    world: TopicWorld,
) -> None:
    """The bad records of before go to quarantine, none is lost; new bad ones open it again."""
    with pytest.raises(RefusedError):
        run_streams(world.settings, [world.contract])
    done = resume(world.settings, [world.contract], STREAM, actor="ada", reason="known")
    assert done.was_open
    assert sum(done.let_through.values()) == 150
    assert not resume(world.settings, [world.contract], STREAM, actor="ada", reason="again").was_open
    assert sum(landed(run_streams(world.settings, [world.contract]))) == 150
    before = len(world.quarantined())
    world.produce(150)
    with pytest.raises(RefusedError):
        run_streams(world.settings, [world.contract])
    assert len(world.quarantined()) == before
    assert len(world.raw()) + before == 150


@pytest.mark.stack
def test_another_stream_goes_on_while_one_stands_still(world: TopicWorld) -> None:
    """The failure of one is raised when the others are done."""
    other = replace(transactions(), stream="others")
    with pytest.raises(RefusedError, match="transactions"):
        run_streams(world.settings, [world.contract, other])
    assert sum(landed(run_streams(world.settings, [other]))) == 0
    assert not read_breaker(world.settings.postgres, "others").is_open


def bad(offset: int) -> BadRecord:
    return BadRecord(
        partition=Partition(0),
        offset=Offset(offset),
        key=None,
        value=b"",
        produced_at=datetime(2025, 1, 1, tzinfo=UTC),
        failures=(Failure(rule="json", path="", message=""),),
    )


def judged(*, good: int, refused: int) -> Judged:
    offsets = pa.chunked_array([pa.array(range(good), pa.int64())])
    return Judged(good=offsets, bad=[bad(good + n) for n in range(refused)])


@pytest.mark.stack
def test_a_breaker_that_another_process_opened_stops_this_one(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions are shared: one process sees the poison, all stop."""
    monkeypatch.setattr(breaker_module, "_LOOK_SECONDS", 0.0)
    mine = StreamBreaker(lake_settings.postgres, limited(0.5, 10), SystemClock())
    mine.begin()
    mine.judge({"t/0": judged(good=100, refused=0)})
    open_breaker(lake_settings.postgres, STREAM, records=9, bad=8, share_limit=0.5, cause="transactions/json")
    with pytest.raises(RefusedError, match="8 of the last 9"):
        mine.judge({"t/0": judged(good=100, refused=0)})


@pytest.mark.stack
def test_a_database_that_is_down_neither_hides_bad_records_nor_stops_good_ones(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own counting goes on; what can't be kept is judged again by the next run."""
    monkeypatch.setattr(breaker_module, "_LOOK_SECONDS", 0.0)
    down = lake_settings.postgres.model_copy(update={"port": 1})
    mine = StreamBreaker(down, limited(0.5, 10), SystemClock())
    mine.judge({"t/0": judged(good=100, refused=0)})
    with pytest.raises(RefusedError):
        mine.judge({"t/0": judged(good=1, refused=99)})


@pytest.mark.stack
def test_an_extract_stops_too_and_one_run_is_let_through(lake_settings: Settings, tmp_path: Path) -> None:
    """Cursor and tables stay; after a resume the next run quarantines what is bad."""
    shop = extract_project(tmp_path, lake_settings)
    file = tmp_path / "ingest" / "contracts" / "things.yaml"
    limits = "      - {property: maxBadShare, value: 0.5}\n      - {property: maxBadAfter, value: 4}\n"
    file.write_text(CONTRACT.replace("    properties:\n", f"{limits}    properties:\n", 1))
    api = PagedApi()
    for number in range(8):
        api.put(number, f"2026-01-01T00:00:0{number}Z", price=-1 if number else 1)
    for _ in range(2):
        with pytest.raises(RefusedError, match="things"):
            run_sources(shop, transport=api.transport())
    contracts = load_contracts(tmp_path / "ingest" / "contracts")
    assert resume(shop, contracts, "things", actor="ada", reason="credits").was_open
    (report,) = run_sources(shop, transport=api.transport())
    assert (report.landed, report.quarantined) == (1, 7)


@pytest.mark.stack
def test_the_commands_say_that_a_stream_stands_still(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """Exit code 5 of the run and of the status, until somebody gives a reason."""
    TopicWorld(lake_settings).produce(20)
    open_breaker(lake_settings.postgres, STREAM, records=9, bad=8, share_limit=0.5, cause="transactions/json")

    run = lake(lake_settings, lake_environment, "ingest", "run", STREAM)
    assert run.returncode == 5
    assert "circuit breaker is open" in run.stderr
    status = lake(lake_settings, lake_environment, "status")
    assert status.returncode == 5
    assert "ALARM transactions" in status.stdout
    assert lake(lake_settings, lake_environment, "ingest", "resume", STREAM).returncode == 2
    done = lake(lake_settings, lake_environment, "ingest", "resume", STREAM, "--reason", "known", "--json")
    assert json.loads(done.stdout)["was_open"] is True
    assert lake(lake_settings, lake_environment, "status").returncode == 0


@pytest.mark.stack
def test_a_stream_that_nobody_describes_cannot_be_resumed(lake_settings: Settings) -> None:
    """A typing error must not look like success."""
    with pytest.raises(BadInputError, match="nothing"):
        resume(lake_settings, [transactions()], "nothing", actor="ada", reason="x")

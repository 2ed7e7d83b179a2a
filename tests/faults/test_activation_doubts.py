"""Lost answers, silence, crashes at every step: a record is applied once per revision (I6)."""

from __future__ import annotations

import socket

import pytest
from pydantic import SecretStr

from lake.activation import apply_sync, make_plan, open_destination
from lake.clock import SystemClock
from lake.control.activation import locked_store, open_store, read_sync_runs
from lake.control.activation_values import RunState
from lake.errors import ConflictError, OutcomeUnknownError, UnavailableError
from lake.postgres import connect
from tests.fakes.activation import SYNC, TOKEN, FileMart, crm_process, rows, with_destination

pytestmark = pytest.mark.stack

LOSES_AN_ANSWER_FIRST = 32  # a seed of the CRM


@pytest.fixture
def mart(tmp_path):
    mart = FileMart(path=tmp_path / "mart.json")
    mart.write(rows(50))
    return mart


class Killed(BaseException):
    """What stands in for kill -9: nothing of ours catches it."""


class Interfering:
    """A target that does the real thing and something else before or after it, at the n-th batch."""

    def __init__(self, target, *, at, before=None, after=None):
        self.target, self.at, self.before, self.after = target, at, before, after

    def send(self, members):
        self.at -= 1
        if self.at == 0 and self.before:
            self.before()
        outcomes = self.target.send(members)
        if self.at == 0 and self.after:
            self.after()
        return outcomes

    def read(self, key):
        return self.target.read(key)


def die():
    raise Killed


def apply(settings, mart, sync=SYNC, **interference):
    with open_destination(sync, settings) as target, locked_store(settings.postgres, sync.name) as store:
        to = Interfering(target, **interference) if interference else target
        return apply_sync(sync, mart=mart, target=to, store=store, clock=SystemClock())


def in_doubt(settings):
    with open_store(settings.postgres, SYNC.name) as store:
        return store.in_doubt()


def assert_each_applied_once(crm, *, versions):
    stats = crm.stats()
    assert {c["version"] for c in crm.contacts().values()} == versions
    assert (stats["error"], stats["unchanged"], stats["missing"]) == (0, 0, 0)


def test_a_kill_after_the_batch_is_durable_and_before_it_is_sent_loses_nothing(lake_settings, mart, tmp_path):
    """The members are known; they go out once, with the next apply."""
    with crm_process(tmp_path) as crm:
        settings = crm.settings(lake_settings)
        with pytest.raises(Killed):
            apply(settings, mart, at=2, before=die)
        assert len(in_doubt(settings)) == 20
        report = apply(settings, mart)
        assert (report.accepted, report.repeated) == (30, 20)
        assert_each_applied_once(crm, versions={1})
        assert crm.stats()["duplicate"] == 0


def test_a_kill_after_the_batch_was_sent_repeats_it_under_the_same_keys(lake_settings, mart, tmp_path):
    """The destination had applied it: it recognises every record of it."""
    with crm_process(tmp_path) as crm:
        settings = crm.settings(lake_settings)
        with pytest.raises(Killed):
            apply(settings, mart, at=2, after=die)
        before = in_doubt(settings)
        report = apply(settings, mart)
        assert report.repeated == len(before) == 20
        assert crm.stats()["duplicate"] == 20
        assert_each_applied_once(crm, versions={1})
        newest, killed = read_sync_runs(settings.postgres, SYNC.name)
        assert (newest.state, killed.state) == (RunState.SUCCEEDED, RunState.INCOMPLETE)
        assert killed.message == "killed before its end"


def test_a_mart_that_moves_while_an_outcome_is_in_doubt_does_not_change_what_is_repeated(
    lake_settings, mart, tmp_path
):
    """First the old content under its own key until it is known, then the new one under the next."""
    with crm_process(tmp_path) as crm:
        settings = crm.settings(lake_settings)
        with pytest.raises(Killed):
            apply(settings, mart, at=1, after=die)
        mart.write(rows(50, h000="gold"))
        with pytest.raises(ConflictError, match="moved since the plan"):
            apply(settings, mart)
        assert in_doubt(settings) == ()
        with open_store(settings.postgres, SYNC.name) as store:
            store.save_plan(make_plan(SYNC, mart=mart, store=store, clock=SystemClock()))
        apply(settings, mart)
        assert {k for k, c in crm.contacts().items() if c["version"] == 2} == {"h000"}
        assert crm.contacts()["h000"]["properties"]["tier"] == "gold"
        assert crm.stats()["error"] == 0  # the key was never used with other content


def test_answers_that_get_lost_are_asked_for_again(lake_settings, mart, tmp_path):
    """The CRM's requests meet 429, 503 and lost answers: delivered, each once."""
    with crm_process(tmp_path, fault_rate=0.5, seed=LOSES_AN_ANSWER_FIRST) as crm:
        settings = crm.settings(lake_settings)
        sync = with_destination(SYNC, verify_sample=0)
        assert apply(settings, mart, sync).accepted == 50
        assert crm.stats()["duplicate"] > 0, "no answer got lost: choose another seed"
        assert_each_applied_once(crm, versions={1})


def test_a_destination_that_is_too_slow_is_asked_again_later(lake_settings, mart, tmp_path):
    """Every answer comes too late: the outcome is unknown, said so, and settled by the next apply."""
    with crm_process(tmp_path, latency=0.3) as crm:
        settings = crm.settings(lake_settings)
        hasty = with_destination(SYNC, timeout_seconds=0.05, attempts=2)
        with pytest.raises(OutcomeUnknownError, match="gave no answer"):
            apply(settings, mart, hasty)
        (run,) = read_sync_runs(settings.postgres, SYNC.name)
        assert (run.state, run.in_doubt) == (RunState.INCOMPLETE, 20)
        report = apply(settings, mart)
        assert (report.accepted, report.repeated) == (50, 20)
        assert_each_applied_once(crm, versions={1})


def test_a_destination_that_is_down_is_named_and_nothing_is_lost(lake_settings, mart, tmp_path):
    """A refused connection; once it is up the same command delivers everything."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
        variables = {
            "crm_url": SecretStr(f"http://127.0.0.1:{taken.getsockname()[1]}"),
            "crm_token": SecretStr(TOKEN),
        }
        down = lake_settings.model_copy(update={"variables": variables})
        with pytest.raises(UnavailableError, match="destination"):
            apply(down, mart, with_destination(SYNC, attempts=2))
    with crm_process(tmp_path) as crm:
        assert apply(crm.settings(lake_settings), mart).accepted == 50
        assert_each_applied_once(crm, versions={1})


def test_a_lost_lock_stops_the_apply_before_it_writes(lake_settings, mart, tmp_path):
    """PostgreSQL ends our connection while a batch is out: without the lock nothing is settled."""

    def end_connections():
        with connect(lake_settings.postgres, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with crm_process(tmp_path) as crm:
        settings = crm.settings(lake_settings)
        with pytest.raises(UnavailableError, match="postgres"):
            apply(settings, mart, at=2, after=end_connections)
        assert len(in_doubt(settings)) == 20
        assert apply(settings, mart).repeated == 20
        assert_each_applied_once(crm, versions={1})

"""The audit log: every act is there, nobody can take it out, and no log means no act."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from lake.control import ActResult, migrate, read_acts, recorded
from lake.errors import UnavailableError
from lake.postgres import connect

pytestmark = pytest.mark.stack


def test_an_act_is_logged_before_it_begins_and_when_it_ends(lake_settings):
    """Start and success stand in the log with actor, reason and detail."""
    with recorded(lake_settings.postgres, "land", target="raw.x", reason="because", actor="ada") as detail:
        assert read_acts(lake_settings.postgres)[0].result is ActResult.STARTED
        detail["rows"] = 3

    ended, started = read_acts(lake_settings.postgres)[:2]
    assert (ended.result, started.result) == (ActResult.SUCCEEDED, ActResult.STARTED)
    assert ended.act_id == started.act_id
    assert (ended.actor, ended.reason, ended.detail) == ("ada", "because", {"rows": 3})


@pytest.mark.parametrize(
    ("error", "result"),
    [(ValueError("no"), ActResult.FAILED), (KeyboardInterrupt(), ActResult.INTERRUPTED)],
)
def test_an_act_that_ends_badly_says_how(lake_settings, error, result):
    """Failure and Ctrl-C are results of their own, and the error goes on its way."""
    with pytest.raises(type(error)), recorded(lake_settings.postgres, "land"):
        raise error

    assert read_acts(lake_settings.postgres)[0].result is result


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM control.audit_log",
        "UPDATE control.audit_log SET actor = 'nobody'",
        "TRUNCATE control.audit_log",
    ],
)
def test_the_log_only_grows(lake_settings, statement):
    """Deleting, changing or emptying the log is refused by the database itself."""
    with recorded(lake_settings.postgres, "land"):
        pass

    refused = pytest.raises(psycopg.errors.RaiseException, match="append-only")
    with refused, connect(lake_settings.postgres) as connection:
        connection.execute(statement)
    assert len(read_acts(lake_settings.postgres)) == 2


def test_an_act_that_cannot_be_logged_is_refused(lake_settings):
    """With PostgreSQL out of reach the block never runs."""
    nowhere = lake_settings.postgres.model_copy(update={"port": 1})
    ran = []

    with pytest.raises(UnavailableError, match="postgres"), recorded(nowhere, "land"):
        ran.append(1)

    assert ran == []


def test_processes_that_migrate_at_once_do_it_once(lake_settings):
    """The advisory lock lets one of many work; a migrated database is left alone."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: migrate(lake_settings.postgres), range(4)))

    assert results == [[], [], [], []]

"""`lake sync` when something is wrong: a message, the next command, the right exit code."""

from __future__ import annotations

import socket

import pytest

from lake.control import ActResult, read_acts
from tests.fakes.commands import lake

pytestmark = pytest.mark.stack


def test_a_sync_whose_model_is_not_built_says_how_to_build_it(lake_settings, lake_environment):
    """Nothing is in the catalog: the act is in the audit log as failed."""
    done = lake(lake_settings, lake_environment, "sync", "plan")
    assert done.returncode == 2
    assert "sqlmesh plan" in done.stderr
    assert "Traceback" not in done.stderr
    newest = read_acts(lake_settings.postgres)[0]
    assert (newest.act, newest.result) == ("sync.plan", ActResult.FAILED)


def test_an_unknown_sync_is_bad_input(lake_settings, lake_environment):
    """The known names are in the message."""
    done = lake(lake_settings, lake_environment, "sync", "apply", "no_such_sync")
    assert done.returncode == 2
    assert "household_value_tiers" in done.stderr


def test_a_sync_without_postgres_is_refused_before_anything_is_sent(lake_settings, lake_environment):
    """An act that can't be logged is not begun."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environment = lake_environment | {"LAKE_POSTGRES__PORT": str(closed.getsockname()[1])}
        done = lake(lake_settings, environment, "sync", "apply")
    assert done.returncode == 4
    assert "postgres" in done.stderr
    assert "lake up" in done.stderr

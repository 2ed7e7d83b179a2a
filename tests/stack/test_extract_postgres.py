"""Tables of another PostgreSQL database: streamed, incremental or as a changelog, each row once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import ingest.extract.landing
from ingest.extract.run import run_sources
from lake.errors import ConfigurationError, TerminalError
from lake.postgres import connect
from lake.settings import PostgresSettings, Settings
from tests.fakes.killed import KilledError
from tests.fakes.orders_database import landed_orders, orders_database, orders_project

pytestmark = pytest.mark.stack


@pytest.fixture
def erp(stack: Settings) -> Iterator[PostgresSettings]:
    """Give another database with a table of 20 orders."""
    with orders_database(stack.postgres) as database:
        yield database


def change(erp: PostgresSettings, statement: str) -> None:
    with connect(erp) as connection:
        connection.execute(statement.encode())


def run(settings: Settings) -> Any:
    (report,) = run_sources(settings)
    return report


def test_only_what_changed_is_read_and_types_are_kept(
    lake_settings: Settings, tmp_path: Path, erp: PostgresSettings
):
    """Numerics are exact, dates, booleans and UUIDs come as the contract wants; bad rows go to quarantine."""
    settings = orders_project(lake_settings, tmp_path, erp)

    first, second = run(settings), run(settings)
    change(erp, "UPDATE sales.orders SET name = 'late', at = at + interval '30 seconds' WHERE id = 20")
    change(erp, "INSERT INTO sales.orders SELECT 99, 'bad', -1, true, now(), NULL, max(at) FROM sales.orders")
    third = run(settings)

    assert (first.landed, second.landed, second.commits) == (20, 0, 0)
    assert (third.landed, third.quarantined) == (1, 1)
    row = next(r for r in landed_orders(settings) if r["id"] == 3)
    assert (str(row["price"]), row["paid"], str(row["day"])) == ("3.25", False, "2026-01-04")
    assert row["token"] == "00000000-0000-0000-0000-000000000001"
    assert row["at"].isoformat() == "2026-01-01T00:00:00.123456+00:00"


@pytest.mark.parametrize("kill_at", [1, 4])
def test_a_killed_run_goes_on_at_the_instant_of_its_last_commit(
    lake_settings: Settings,
    tmp_path: Path,
    erp: PostgresSettings,
    monkeypatch: pytest.MonkeyPatch,
    kill_at: int,
):
    """The database sorts, so what is committed is complete; each row is there once."""
    settings = orders_project(lake_settings, tmp_path, erp)
    monkeypatch.setattr("lake.postgres.batches._BATCH_BYTES", 200)
    real, count = ingest.extract.landing.commit, iter(range(100))

    def commit(*args: Any, **options: Any) -> Any:
        outcome = real(*args, **options)
        if next(count) == kill_at:
            raise KilledError
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(ingest.extract.landing, "commit", commit)
        with pytest.raises(KilledError):
            run(settings)
    report = run(settings)

    assert report.fetched < 20
    assert sorted(r["id"] for r in landed_orders(settings)) == list(range(1, 21))


def test_a_full_read_lands_as_a_changelog(lake_settings: Settings, tmp_path: Path, erp: PostgresSettings):
    """Inserts, updates and deletes against the last snapshot; an unchanged table adds nothing."""
    settings = orders_project(lake_settings, tmp_path, erp, "refresh: {}", "upsert")
    run(settings)
    change(erp, "UPDATE sales.orders SET price = 7 WHERE id = 2")
    change(erp, "DELETE FROM sales.orders WHERE id = 3")

    report, idle = run(settings), run(settings)

    changes = [(r["id"], r["meta"]["op"]) for r in landed_orders(settings)]
    assert changes[20:] == [(2, "update"), (3, "delete")]
    assert (report.landed, report.deleted, idle.commits) == (2, 1, 0)


@pytest.mark.parametrize(
    "case",
    [
        ("SELECT 1", {"erp_password": SecretStr("wrong-one")}, ConfigurationError, "refused the credentials"),
        ("DROP TABLE sales.orders", {}, TerminalError, "sales.orders"),
        ("ALTER TABLE sales.orders DROP COLUMN name", {}, TerminalError, "name"),
    ],
)
def test_what_the_database_refuses_is_said_without_a_secret(
    lake_settings: Settings, tmp_path: Path, erp: PostgresSettings, case: Any
):
    """The message names the database and what is wrong."""
    statement, variables, error, says = case
    settings = orders_project(lake_settings, tmp_path, erp)
    change(erp, statement)
    settings = settings.model_copy(update={"variables": settings.variables | variables})

    with pytest.raises(error, match=says) as caught:
        run(settings)

    assert "wrong-one" not in str(caught.value)
    assert erp.password.get_secret_value() not in str(caught.value)

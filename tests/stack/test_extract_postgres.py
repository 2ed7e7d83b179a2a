"""Tables of another PostgreSQL database: streamed, incremental or as a changelog, each row once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

import ingest.extract.landing
from ingest.extract.run import run_sources
from lake.catalog import load_table, open_catalog
from lake.catalog.scan import read_rows
from lake.errors import ConfigurationError, TerminalError
from lake.postgres import connect
from lake.settings import PostgresSettings, Settings
from lake.types import TableName
from tests.fakes.killed import KilledError

pytestmark = pytest.mark.stack

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
description: {purpose: Orders for tests.}
team: {name: testers}
schema:
  - name: orders
    physicalType: extract
    customProperties:
      - {property: source, value: erp}
      - {property: resource, value: orders}
      - {property: mode, value: MODE}
    properties:
      - {name: id, logicalType: integer, logicalTypeOptions: {format: i64}, required: true, primaryKey: true}
      - {name: name, logicalType: string}
      - {name: price, logicalType: number, physicalType: 'decimal(12,2)', logicalTypeOptions: {minimum: 0}}
      - {name: paid, logicalType: boolean}
      - {name: day, logicalType: date}
      - {name: token, logicalType: string}
      - {name: at, logicalType: timestamp, required: true}
"""
SOURCE = """\
source: erp
type: postgres
owner: testers
host: ${erp_host}
port: ${erp_port}
database: ${erp_database}
user: ${erp_user}
password: ${erp_password}
statement_timeout_seconds: 30
commit_rows: 3
resources:
  - {name: orders, stream: orders, table: sales.orders, HOW}
"""
TABLE = """
CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    id int PRIMARY KEY, name varchar, price numeric, paid boolean, day date, token uuid,
    at timestamptz NOT NULL
);
INSERT INTO sales.orders
SELECT n, 'order ' || n, n + 0.25, n % 2 = 0, date '2026-01-01' + n,
       '00000000-0000-0000-0000-000000000001',
       timestamptz '2026-01-01 00:00:00.123456+01' + (n / 2) * interval '1 hour'
FROM generate_series(1, 20) AS n;
"""


@pytest.fixture
def erp(stack: Settings) -> Iterator[PostgresSettings]:
    """Give another database with a table of 20 orders."""
    own = f"erp{uuid4().hex[:10]}"
    with connect(stack.postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {own}".encode())
    database = stack.postgres.model_copy(update={"database": own})
    with connect(database) as connection:
        connection.execute(TABLE.encode())
    yield database
    with connect(stack.postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {own} WITH (FORCE)".encode())


def project(stack: Settings, root: Path, erp: PostgresSettings, how: str, mode: str) -> Settings:
    own = f"t{uuid4().hex[:10]}"
    for folder in ("ingest/contracts", "ingest/sources"):
        (root / folder).mkdir(parents=True)
    (root / "ingest/contracts/orders.yaml").write_text(CONTRACT.replace("MODE", mode))
    (root / "ingest/sources/erp.yaml").write_text(SOURCE.replace("HOW", how))
    (root / "config.yaml").write_text("project: test\n")
    schemas = {"raw_schema": f"{own}_raw", "quarantine_schema": f"{own}_quarantine"}
    variables = {
        "erp_host": SecretStr(erp.host),
        "erp_port": SecretStr(str(erp.port)),
        "erp_database": SecretStr(erp.database),
        "erp_user": SecretStr(erp.user),
        "erp_password": erp.password,
    }
    landing = stack.landing.model_copy(update=schemas)
    return stack.model_copy(update={"project_root": root, "landing": landing, "variables": variables})


def change(erp: PostgresSettings, statement: str) -> None:
    with connect(erp) as connection:
        connection.execute(statement.encode())


def run(settings: Settings) -> Any:
    (report,) = run_sources(settings)
    return report


def rows_of(settings: Settings) -> list[dict[str, Any]]:
    name = TableName(schema=settings.landing.raw_schema, name="orders")
    state = load_table(open_catalog(settings), name)
    columns = ("id", "name", "price", "paid", "day", "token", "at", "meta")
    return (
        sorted(read_rows(state, columns=columns).to_pylist(), key=lambda r: r["meta"]["offset"])
        if state
        else []
    )


INCREMENTAL = "incremental: {cursor: at, lookback: 60}"


def test_only_what_changed_is_read_and_types_are_kept(
    lake_settings: Settings, tmp_path: Path, erp: PostgresSettings
):
    """Numerics are exact, dates, booleans and UUIDs come as the contract wants; bad rows go to quarantine."""
    settings = project(lake_settings, tmp_path, erp, INCREMENTAL, "append")

    first, second = run(settings), run(settings)
    change(erp, "UPDATE sales.orders SET name = 'late', at = at + interval '30 seconds' WHERE id = 20")
    change(erp, "INSERT INTO sales.orders SELECT 99, 'bad', -1, true, now(), NULL, max(at) FROM sales.orders")
    third = run(settings)

    assert (first.landed, second.landed, second.commits) == (20, 0, 0)
    assert (third.landed, third.quarantined) == (1, 1)
    row = next(r for r in rows_of(settings) if r["id"] == 3)
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
    settings = project(lake_settings, tmp_path, erp, INCREMENTAL, "append")
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
    assert sorted(r["id"] for r in rows_of(settings)) == list(range(1, 21))


def test_a_full_read_lands_as_a_changelog(lake_settings: Settings, tmp_path: Path, erp: PostgresSettings):
    """Inserts, updates and deletes against the last snapshot; an unchanged table adds nothing."""
    settings = project(lake_settings, tmp_path, erp, "refresh: {}", "upsert")
    run(settings)
    change(erp, "UPDATE sales.orders SET price = 7 WHERE id = 2")
    change(erp, "DELETE FROM sales.orders WHERE id = 3")

    report, idle = run(settings), run(settings)

    changes = [(r["id"], r["meta"]["op"]) for r in rows_of(settings)]
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
    settings = project(lake_settings, tmp_path, erp, INCREMENTAL, "append")
    change(erp, statement)
    settings = settings.model_copy(update={"variables": settings.variables | variables})

    with pytest.raises(error, match=says) as caught:
        run(settings)

    assert "wrong-one" not in str(caught.value)
    assert erp.password.get_secret_value() not in str(caught.value)

"""What an analyst may read on Trino, and BI tools through its SQLAlchemy driver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import sqlalchemy
from sqlalchemy.engine import URL, Engine

from lake.mesh.access import write_rules
from lake.mesh.trino import open_trino
from lake.settings import Project, Settings
from lake.stack.passwords import write_password

pytestmark = pytest.mark.real

PASSWORD = "ana's own"
PEOPLE = "(7, '19-24', 'Bern'), (7, '19-24', 'Basel'), (8, '65+', 'Chur')"


@pytest.fixture(scope="module")
def _people(trino_lake: Settings) -> None:
    """Make a table of prod, one of an environment and a physical one, with columns that contracts tag."""
    with open_trino(trino_lake.trino) as connection:
        cursor = connection.cursor()
        for schema in ("access", "access__dev_x", "sqlmesh__access", "quarantine"):
            for sql in (
                f"CREATE SCHEMA IF NOT EXISTS lake.{schema}",
                f"CREATE TABLE lake.{schema}.people (household_id BIGINT, age VARCHAR, city VARCHAR)",
                f"INSERT INTO lake.{schema}.people VALUES {PEOPLE}",
            ):
                cursor.execute(sql)
                cursor.fetchall()


@pytest.fixture
def bi(
    trino_project: Project, trino_lake: Settings, _people: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Connect as a BI tool does: user, password, the certificate's authority; rules from the contracts."""
    # requests lets it win over the connection's own authority: docs/trino.md says so.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    folder = trino_project.state / "trino"
    write_password(folder / "password.db", "ana", PASSWORD)
    write_rules(trino_project, trino_lake, folder / "rules.json")
    url = URL.create(
        "trino",
        username="ana",
        password=PASSWORD,
        host=trino_lake.trino.host,
        port=trino_lake.trino.port,
        database="lake/access",
    )
    engine = sqlalchemy.create_engine(
        url, connect_args={"http_scheme": "https", "verify": str(trino_lake.trino.ca_file)}
    )
    _until_rules_are_read(engine)
    yield engine
    engine.dispose()


def _until_rules_are_read(engine: Engine) -> None:
    """Trino looks at both files every few seconds."""
    ends = time.monotonic() + 120
    while True:
        try:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT count(*) FROM lake.access.people")).all()
                return
        except sqlalchemy.exc.DBAPIError as error:
            waits = "Access Denied" in str(error) or "401" in str(error)
            if not waits or time.monotonic() > ends:
                raise


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sqlalchemy.text(sql))]


def test_a_bi_tool_finds_tables_and_columns(bi: Engine) -> None:
    """The inspector that such tools use lists prod's schemas, tables and types."""
    inspector = sqlalchemy.inspect(bi)

    assert "access" in inspector.get_schema_names()
    assert inspector.get_table_names("access") == ["people"]
    assert [column["name"] for column in inspector.get_columns("people", "access")] == [
        "household_id",
        "age",
        "city",
    ]


def test_a_frame_is_read_with_bound_values(bi: Engine) -> None:
    """Pandas over SQLAlchemy: aggregates, parameters."""
    sql = sqlalchemy.text("SELECT city, count(*) AS n FROM people WHERE city <> :not_this GROUP BY city")
    frame = pd.read_sql(sql, bi, params={"not_this": "Chur"})

    assert sorted(frame.itertuples(index=False, name=None)) == [("Basel", 1), ("Bern", 1)]


def test_personal_values_are_masked_and_keys_still_join_and_count(bi: Engine) -> None:
    """Age is NULL; a household has the same pseudonym in each row, and not its number."""
    found = rows(bi, "SELECT household_id, age, city FROM people ORDER BY city")

    assert [(age, city) for _, age, city in found] == [(None, "Basel"), (None, "Bern"), (None, "Chur")]
    keys = [key for key, _, _ in found]
    assert keys[0] == keys[1] != keys[2]
    assert {7, 8}.isdisjoint(keys)
    assert rows(bi, "SELECT count(DISTINCT household_id) FROM people") == [(2,)]
    assert rows(bi, "SELECT count(*) FROM people WHERE household_id = 7 OR age = '65+'") == [(0,)]


def test_the_owner_reads_what_is_there(trino_lake: Settings, bi: Engine) -> None:
    """Models are never built from masks."""
    del bi  # the rules are read
    with open_trino(trino_lake.trino) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT household_id, age FROM lake.access.people WHERE city = 'Chur'")

        assert cursor.fetchall() == [[8, "65+"]]


@pytest.mark.parametrize("schema", ["access__dev_x", "sqlmesh__access", "quarantine"])
def test_what_is_not_prod_is_closed(bi: Engine, schema: str) -> None:
    """Environments, physical tables and refused records are not for analysts."""
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="Access Denied"):
        rows(bi, f"SELECT * FROM lake.{schema}.people")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO lake.access.people VALUES (9, 'x', 'y')",
        "DELETE FROM lake.access.people",
        "CREATE TABLE lake.access.mine AS SELECT 1 AS x",
        "CREATE VIEW lake.access.mine AS SELECT 1 AS x",
        "DROP TABLE lake.access.people",
        "ALTER TABLE lake.access.people ADD COLUMN x BIGINT",
        "CREATE SCHEMA lake.mine",
        "SELECT * FROM system.runtime.queries",
    ],
)
def test_an_analyst_changes_nothing(bi: Engine, sql: str) -> None:
    """Read-only, to the schema."""
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="Access Denied"):
        rows(bi, sql)

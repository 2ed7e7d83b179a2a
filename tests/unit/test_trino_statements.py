"""What a publish on Trino runs, checked by running its equal in DuckDB."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from lake.mesh.errors import StockError
from lake.mesh.trino.statements import Change, is_plain_upsert, read_insert
from lake.mesh.trino.types import arrow_schema, microseconds

TABLE = exp.to_table("lake.s.t")
STAGE = exp.to_table("lake.s.t__stage")
COLUMNS = ("day", "g", "v")
OLD = "(DATE '2026-01-01', 1, 10), (DATE '2026-01-02', 1, 20), (DATE '2026-01-02', 2, 30), (NULL, NULL, 40)"
NEW = "(DATE '2026-01-02', 1, 200), (DATE '2026-01-02', 3, 300)"


@pytest.fixture
def engine():
    """Give a DuckDB with a table of old rows and a stage of new ones."""
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.s")
        connection.execute("CREATE TABLE lake.s.t (day DATE, g INT, v INT)")
        connection.execute("CREATE TABLE lake.s.t__stage (day DATE, g INT, v INT)")
        connection.execute(f"INSERT INTO lake.s.t VALUES {OLD}")
        connection.execute(f"INSERT INTO lake.s.t__stage VALUES {NEW}")
        yield connection


def parsed(condition: str) -> exp.Expr:
    return sqlglot.parse_one(condition, dialect="trino", into=exp.Condition)


def upsert(on: str) -> exp.Merge:
    merge = sqlglot.parse_one(
        f"""MERGE INTO lake.s.t AS old USING (SELECT day, g, v FROM lake.raw) AS new ON {on}
        WHEN MATCHED THEN UPDATE SET v = new.v
        WHEN NOT MATCHED THEN INSERT (day, g, v) VALUES (new.day, new.g, new.v)""",
        dialect="trino",
    )
    assert isinstance(merge, exp.Merge)
    return merge


def created() -> exp.Create:
    create = sqlglot.parse_one("CREATE OR REPLACE TABLE lake.s.t AS SELECT 1", dialect="trino")
    assert isinstance(create, exp.Create)
    return create


CHANGES = {
    "append": Change(table=TABLE, columns=COLUMNS),
    "an interval": Change(
        table=TABLE, columns=COLUMNS, replaced=parsed("day BETWEEN DATE '2026-01-02' AND DATE '2026-01-31'")
    ),
    "partitions": Change(
        table=TABLE,
        columns=COLUMNS,
        replaced=parsed("g IN (SELECT DISTINCT g FROM lake.s.lakemesh_temp_t)"),
    ),
    "all": Change(table=TABLE, columns=COLUMNS, replaced=exp.true()),
    "keys": Change(table=TABLE, columns=COLUMNS, merge=upsert("old.g = new.g")),
    "the table": Change(table=TABLE, columns=COLUMNS, create=created()),
}
EXPECTED = {
    "append": 6,
    "an interval": 4,
    "partitions": 4,
    "all": 2,
    "the table": 2,
}


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return sorted(connection.execute(sql).fetchall(), key=str)


@pytest.mark.parametrize("name", CHANGES)
def test_the_commit_leaves_what_the_audits_saw(engine, name):
    """One statement, and the relation for the audits, are two ways to say the same."""
    change = CHANGES[name]
    if name == "keys":  # two old rows have the key of a new one: an upsert needs unique keys
        engine.execute("DELETE FROM lake.s.t WHERE day = DATE '2026-01-01'")
    seen = rows(engine, change.after(STAGE).sql("duckdb"))

    engine.execute(change.commit(STAGE).sql("duckdb"))

    assert rows(engine, "FROM lake.s.t") == seen
    if name in EXPECTED:
        assert len(seen) == EXPECTED[name]


def test_rows_without_a_key_stay_when_partitions_are_replaced(engine):
    """NULL equals no key, neither in the table nor in the condition."""
    engine.execute(CHANGES["partitions"].commit(STAGE).sql("duckdb"))

    assert (None, None, 40) in rows(engine, "FROM lake.s.t")
    assert (None, None, 40) not in rows(engine, CHANGES["all"].after(STAGE).sql("duckdb"))


@pytest.mark.parametrize("name", CHANGES)
def test_every_statement_is_written_for_trino(name):
    """It parses there again, whole: one statement, no second one."""
    for tree in (CHANGES[name].commit(STAGE), CHANGES[name].after(STAGE)):
        text = tree.sql("trino", identify=True)

        assert len(sqlglot.parse(text, dialect="trino")) == 1
    assert ";" not in text


def test_only_an_upsert_of_all_rows_can_be_foreseen():
    """A MERGE with a condition of its own, or a DELETE, is tried out on a copy instead."""
    assert is_plain_upsert(upsert("old.g = new.g"))
    for case in ("WHEN MATCHED AND new.v > 1 THEN UPDATE SET v = new.v", "WHEN MATCHED THEN DELETE"):
        merge = sqlglot.parse_one(
            f"""MERGE INTO lake.s.t AS old USING lake.raw AS new ON old.g = new.g {case}
            WHEN NOT MATCHED THEN INSERT (v) VALUES (new.v)""",
            dialect="trino",
        )
        assert not is_plain_upsert(merge)


def test_an_insert_is_read_with_its_columns():
    """Target, columns by position, rows."""
    insert = sqlglot.parse_one("INSERT INTO lake.s.t (g, v) SELECT a, b FROM lake.s.u", dialect="trino")

    table, columns, query = read_insert(insert)

    assert (table.name, columns, query.named_selects) == ("t", ("g", "v"), ["a", "b"])
    with pytest.raises(StockError, match="takes a query"):
        read_insert(sqlglot.parse_one("INSERT INTO lake.s.t DEFAULT VALUES", dialect="postgres"))


def test_timestamps_keep_their_microseconds():
    """A bare TIMESTAMP in Trino has milliseconds: a cast would round what Iceberg holds."""
    tree = sqlglot.parse_one(
        "SELECT a::TIMESTAMP, b::TIMESTAMPTZ, c::DATE, d::DECIMAL(5, 2)", dialect="duckdb"
    )

    assert microseconds(tree).sql("trino") == (
        "SELECT CAST(a AS TIMESTAMP(6)), CAST(b AS TIMESTAMP(6) WITH TIME ZONE),"
        " CAST(c AS DATE), CAST(d AS DECIMAL(5, 2))"
    )
    assert "(6)" not in tree.sql("trino")


def test_trino_s_types_become_arrow_s():
    """What a view's columns are, as the catalog wants them."""
    schema = arrow_schema(
        {
            "a": "bigint",
            "b": "decimal(18, 2)",
            "c": "timestamp(6) with time zone",
            "d": "row(x integer, y array(varchar))",
        }
    )

    assert [str(field.type) for field in schema][:2] == ["int64", "decimal128(18, 2)"]
    assert str(schema.field("c").type).startswith("timestamp[us, tz=")
    assert str(schema.field("d").type) == "struct<x: int32, y: list<l: string>>"

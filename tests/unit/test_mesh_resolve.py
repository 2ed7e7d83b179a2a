"""Views are inlined into whatever place of a query their name stands in."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot

from lake.errors import BadInputError, ConfigurationError
from lake.mesh.lookup import in_environment
from lake.mesh.resolve import ViewText, inline_views, table_name, tables_read
from lake.mesh.travel import parse, pin
from lake.types import TableName

VIEWS = {
    "a.plain": "SELECT x, y FROM lake.p.t",
    "a.cte": "WITH q AS (SELECT * FROM lake.a.plain) SELECT q.x FROM q JOIN lake.a.plain AS z USING (x)",
    "a.above": 'SELECT p."x" FROM lake.a.plain AS p',
    "a.above_grouped": "SELECT n FROM lake.a.grouped",
    "a.circle1": "SELECT * FROM lake.a.circle2",
    "a.circle2": "SELECT * FROM lake.a.circle1",
    "a.loose": "SELECT * FROM loc",
    "a.grouped": "SELECT x, COUNT(*) AS n FROM lake.p.t GROUP BY x",
    "a__dev.plain": "SELECT x, -y AS y FROM lake.p.t",
}


def find(name: TableName) -> ViewText | None:
    """Look a view up in the table above."""
    sql = VIEWS.get(str(name))
    return ViewText(sql={"duckdb": sql}) if sql else None


def resolved(sql: str) -> str:
    """Return the statement as DuckDB gets it."""
    return inline_views(sqlglot.parse_one(sql, dialect="duckdb"), find).sql("duckdb")


@pytest.fixture
def engine() -> duckdb.DuckDBPyConnection:
    """Give a database called lake with the tables that the views read."""
    connection = duckdb.connect()
    connection.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.p; CREATE SCHEMA lake.a")
    connection.execute("CREATE TABLE lake.p.t AS SELECT i % 3 AS x, i AS y FROM range(9) r(i)")
    connection.execute("CREATE TABLE lake.a.loc AS SELECT 'mine' AS who")
    return connection


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT COUNT(*) FROM lake.a.plain", [(9,)]),
        ("SELECT COUNT(*) FROM a.plain", [(9,)]),
        ('SELECT COUNT(*) FROM "LAKE"."A"."Plain"', [(9,)]),
        ("FROM a.plain SELECT SUM(y)", [(36,)]),
        ("SELECT plain.y FROM a.plain WHERE a.plain.y = 8", [(8,)]),
        ("SELECT lake.a.plain.y FROM a.plain WHERE lake.a.plain.y = 8", [(8,)]),
        ("SELECT k.q FROM a.plain AS k(p, q) WHERE k.q = 7", [(7,)]),
        ("SELECT n FROM a.grouped ORDER BY x", [(3,), (3,), (3,)]),
        ("WITH q AS (SELECT 5 AS x) SELECT q.x, COUNT(*) FROM q, lake.a.cte GROUP BY ALL", [(5, 27)]),
        ("WITH plain AS (SELECT 1 AS one) SELECT one FROM plain", [(1,)]),
        ("SELECT x FROM a.plain WHERE y = 1 UNION ALL SELECT x FROM a.plain WHERE y = 2", [(1,), (2,)]),
        ("SELECT (SELECT MAX(y) FROM a.plain)", [(8,)]),
        (
            "SELECT COUNT(*) FROM p.t JOIN LATERAL (SELECT * FROM a.plain AS b WHERE b.y = t.y) AS l ON TRUE",
            [(9,)],
        ),
        ("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'p'", [(1,)]),
    ],
)
def test_a_view_means_its_query_wherever_its_name_stands(
    engine: duckdb.DuckDBPyConnection, sql: str, rows: list[object]
) -> None:
    """Joins, subqueries, set operations, aliases, case and qualified columns give the view's rows."""
    assert engine.execute(resolved(sql)).fetchall() == rows


def test_a_cte_of_the_query_cannot_catch_a_name_inside_a_view(engine: duckdb.DuckDBPyConnection) -> None:
    """`loc` in the view is the view's own schema's table, not the CTE around it."""
    sql = resolved("WITH loc AS (SELECT 'yours' AS who) SELECT l.who, u.who FROM loc AS l, lake.a.loose AS u")
    assert engine.execute(sql).fetchall() == [("yours", "mine")]


def test_describe_and_summarize_show_a_view(engine: duckdb.DuckDBPyConnection) -> None:
    """Both take the view's query."""
    assert [row[0] for row in engine.execute(resolved("DESCRIBE a.plain")).fetchall()] == ["x", "y"]
    assert [row[0] for row in engine.execute(resolved("SUMMARIZE a.plain")).fetchall()] == ["x", "y"]


def test_the_target_of_a_write_is_no_view() -> None:
    """An INSERT reads the view and writes the table of that name."""
    assert resolved("INSERT INTO lake.a.plain (x) SELECT x FROM lake.a.plain").startswith(
        "INSERT INTO lake.a.plain (x) SELECT x FROM (SELECT x, y FROM lake.p.t)"
    )


def test_the_statement_that_was_passed_in_stays_as_it_was() -> None:
    """SQLMesh keeps and renders its trees again."""
    statement = sqlglot.parse_one("SELECT * FROM a.cte", dialect="duckdb")
    before = statement.sql("duckdb")
    inline_views(statement, find)
    assert statement.sql("duckdb") == before


def test_views_in_a_circle_are_refused_by_name() -> None:
    """The message shows the way round."""
    with pytest.raises(ConfigurationError, match=r"a\.circle1 -> a\.circle2 -> a\.circle1"):
        resolved("SELECT * FROM a.circle1")


def test_time_travel_goes_through_a_view_that_only_selects_columns() -> None:
    """The version lands on the table beneath."""
    assert "lake.p.t AT (VERSION => 5)" in resolved("SELECT * FROM a.plain AT (VERSION => 5)")


@pytest.mark.parametrize("view", ["a.grouped", "a.cte"])
def test_time_travel_on_a_computed_view_is_refused(view: str) -> None:
    """Trino ignores it silently; here it is an error."""
    with pytest.raises(BadInputError, match="no versions of its own"):
        resolved(f"SELECT * FROM {view} AT (VERSION => 5)")


def test_time_travel_goes_through_views_on_views() -> None:
    """Each of them only selects columns."""
    assert "lake.p.t AT (VERSION => 5)" in resolved("SELECT * FROM a.above AT (VERSION => 5)")


def test_a_refusal_names_the_view_that_was_asked_for() -> None:
    """Not the one beneath, whose name nobody typed."""
    with pytest.raises(BadInputError, match=r"a\.above_grouped is computed"):
        resolved("SELECT * FROM a.above_grouped AT (VERSION => 5)")


@pytest.mark.parametrize(
    "reference",
    ["a.plain AT (VERSION => 5) AS old", "a.plain AS old AT (VERSION => 5)", "a.plain old AT (VERSION => 5)"],
)
def test_the_alias_of_a_travelling_table_stands_on_either_side(reference: str) -> None:
    """DuckDB's order and sqlglot's; DuckDB is given neither, because they print in the wrong order."""
    [statement] = parse(f"SELECT old.y FROM {reference} JOIN p.t AS new ON new.x = old.x")
    assert inline_views(statement, find).sql("duckdb") == (
        "SELECT old.y FROM (SELECT x, y FROM lake.p.t AT (VERSION => 5)) AS old"
        " JOIN lake.p.t AS new ON new.x = old.x"
    )
    [plain] = parse("SELECT old.y FROM p.t AS old AT (VERSION => 5)")
    assert inline_views(plain, find).sql("duckdb") == (
        "SELECT old.y FROM (SELECT * FROM lake.p.t AT (VERSION => 5)) AS old"
    )


def test_a_moment_becomes_the_version_that_stood_then() -> None:
    """Tables of other databases are DuckDB's own business."""
    [statement] = parse(
        "SELECT * FROM p.t AT (TIMESTAMP => now()), p.t AT (VERSION => 3), temp.x AT (TIMESTAMP => now())"
    )
    pin(statement, table_name, lambda name, when: len(when.sql()) + len(str(name)))
    sql = statement.sql("duckdb")
    assert [sql.count(text) for text in ("AT (VERSION => 8)", "AT (VERSION => 3)", "TIMESTAMP =>")] == [
        1,
        1,
        1,
    ]


def test_what_is_no_sql_is_refused_with_the_reason() -> None:
    """No escape codes of a terminal in it."""
    with pytest.raises(BadInputError, match="can't be parsed") as raised:
        parse("SELECT FROM WHERE (")
    assert "\x1b" not in raised.value.message


def test_a_translated_view_may_travel_and_what_duckdb_lacks_is_refused() -> None:
    """Trino's FOR VERSION AS OF is DuckDB's AT; a function without an equal is no silent guess."""
    texts = {"a.old": "SELECT x FROM lake.p.t FOR VERSION AS OF 7 AS t", "a.bad": "SELECT FROM ("}

    def trino(name: TableName) -> ViewText | None:
        return ViewText(sql={"trino": texts[str(name)]}) if str(name) in texts else None

    sql = inline_views(sqlglot.parse_one("SELECT * FROM a.old", dialect="duckdb"), trino).sql("duckdb")
    assert sql == 'SELECT * FROM (SELECT x FROM (SELECT * FROM lake.p.t AT (VERSION => 7)) AS t) AS "old"'
    with pytest.raises(ConfigurationError, match=r"a\.bad: its trino text can't be read"):
        inline_views(sqlglot.parse_one("SELECT * FROM a.bad", dialect="duckdb"), trino)


def test_a_view_without_a_duckdb_text_is_translated() -> None:
    """A view that Trino made is read too."""
    trino = ViewText(sql={"trino": 'SELECT CAST(x AS VARCHAR) AS x, "y" FROM lake.p.t'})
    statement = sqlglot.parse_one("SELECT * FROM a.v", dialect="duckdb")
    sql = inline_views(statement, lambda name: trino if str(name) == "a.v" else None).sql("duckdb")
    assert "CAST(x AS TEXT)" in sql


def test_a_view_in_no_language_we_know_is_refused() -> None:
    """The message names the view and its languages."""
    alien = ViewText(sql={"malloy": "run: x"})
    statement = sqlglot.parse_one("SELECT * FROM a.v", dialect="duckdb")
    with pytest.raises(ConfigurationError, match=r"a\.v is written for malloy"):
        inline_views(statement, lambda _: alien)


def test_an_environment_has_its_own_views_and_prods_for_the_rest() -> None:
    """`dev` changed plain, not grouped."""
    lookup = in_environment(find, "dev")
    assert lookup(TableName(schema="a", name="plain")) == find(TableName(schema="a__dev", name="plain"))
    assert lookup(TableName(schema="a", name="grouped")) == find(TableName(schema="a", name="grouped"))


def test_the_tables_of_a_statement_are_named() -> None:
    """CTEs, functions and other databases are none of the lake's."""
    sql = "WITH q AS (SELECT 1) SELECT * FROM q, a.plain, lake.p.t, temp.x, memory.main.y, range(3)"
    assert {str(name) for name in tables_read(sqlglot.parse_one(sql, dialect="duckdb"))} == {"a.plain", "p.t"}

"""A query on views gives what the same query gives where the views are real."""

from __future__ import annotations

import duckdb
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.mesh.resolve import ViewText, inline_views
from lake.types import TableName

COLUMNS = ("x", "y")


@st.composite
def layered_views(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Draw views v0..vn; each reads the table or views before it, with names that want to clash."""
    views: list[tuple[str, str]] = []
    sources = ["t"]
    for number in range(draw(st.integers(1, 4))):
        one, other = draw(st.sampled_from(sources)), draw(st.sampled_from(sources))
        alias = draw(st.sampled_from(["t", "v0", "V1", "q"]))
        limit = draw(st.integers(0, 9))
        body = draw(
            st.sampled_from(
                [
                    f"SELECT {alias}.x, {alias}.y FROM lake.s.{one} AS {alias} WHERE {alias}.y < {limit}",
                    f"WITH {alias} AS (SELECT * FROM lake.s.{one}) SELECT x, y FROM {alias}",
                    f"SELECT x, MAX(y) AS y FROM lake.s.{one} GROUP BY x",
                    f"SELECT x, y FROM lake.s.{one} UNION ALL SELECT y AS x, x AS y FROM lake.s.{other}",
                    f"SELECT a.x, b.y FROM lake.s.{one} AS a JOIN lake.s.{other} AS b ON a.x = b.y",
                ]
            )
        )
        views.append((f"v{number}", body))
        sources.append(f"v{number}")
    return views


@st.composite
def queries(draw: st.DrawFn, views: int) -> str:
    """Draw a query over the views."""
    name = f"v{draw(st.integers(0, views - 1))}"
    other = f"v{draw(st.integers(0, views - 1))}"
    return draw(
        st.sampled_from(
            [
                f"SELECT * FROM lake.s.{name}",
                f"SELECT {name}.x FROM s.{name} WHERE {name}.y IN (SELECT y FROM lake.s.{other})",
                f"WITH {name} AS (SELECT 1 AS x) SELECT {name}.x, o.y FROM {name}, LAKE.S.{other} AS o",
                f"SELECT COUNT(*), SUM(b.y) FROM lake.s.{name} a LEFT JOIN lake.s.{other} b USING (x)",
            ]
        )
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data(), views=layered_views())
def test_inlined_views_give_the_rows_of_real_views(data: st.DataObject, views: list[tuple[str, str]]) -> None:
    """DuckDB itself, which can have views in its own catalog, is the judge."""
    query = data.draw(queries(len(views)))
    texts = dict(views)

    def find(name: TableName) -> ViewText | None:
        sql = texts.get(name.name) if name.schema == "s" else None
        return ViewText(sql={"duckdb": sql}) if sql else None

    with duckdb.connect() as engine:
        engine.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.s; USE lake.s")
        engine.execute("CREATE TABLE lake.s.t AS SELECT i % 4 AS x, i AS y FROM range(8) r(i)")
        inlined = inline_views(sqlglot.parse_one(query, dialect="duckdb"), find).sql("duckdb")
        answer = engine.execute(f"SELECT * FROM ({inlined}) ORDER BY ALL").fetchall()
        for name, sql in views:
            engine.execute(f"CREATE VIEW lake.s.{name} AS {sql}")
        assert answer == engine.execute(f"SELECT * FROM ({query}) ORDER BY ALL").fetchall()

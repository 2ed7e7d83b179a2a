"""Column uses: what a query reads, what comes of it, and whom a change reaches."""

from __future__ import annotations

import pytest
from sqlglot import parse_one
from sqlglot.optimizer.qualify import qualify

from lake.mesh.column_uses import ANY, ROWS, ColumnUse, column_uses
from lake.mesh.graph import Column, Graph, Node
from lake.mesh.impact import find_affected
from lake.mesh.readers import Reader

SCHEMA = {"raw": {"orders": {"id": "INT", "total": "INT", "shop": "STRUCT(city VARCHAR)", "day": "DATE"},
                  "shops": {"id": "INT", "name": "VARCHAR"}}}  # fmt: skip


def uses(sql: str) -> set[tuple[str, str]]:
    query = qualify(parse_one(sql, dialect="duckdb"), schema=SCHEMA, dialect="duckdb")
    return {(f"{u.source}.{u.column}", u.output) for u in column_uses(query, "s.m")}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id, total * 2 AS two FROM raw.orders",
         {("raw.orders.id", "id"), ("raw.orders.total", "two")}),
        ("SELECT id FROM raw.orders WHERE day > '2025-01-01'",
         {("raw.orders.id", "id"), ("raw.orders.day", ROWS)}),
        ("SELECT shop.city AS city FROM raw.orders", {("raw.orders.shop", "city")}),
        (
            "WITH o AS (SELECT id, total AS t FROM raw.orders WHERE day IS NULL) SELECT sum(t) AS s FROM o",
            {("raw.orders.total", "s"), ("raw.orders.day", ROWS)},
        ),
        (
            "SELECT s.name, max(o.total) AS m FROM raw.orders AS o JOIN raw.shops AS s USING (id) GROUP BY 1",
            {("raw.shops.name", "name"), ("raw.orders.total", "m"), ("raw.orders.id", ROWS),
             ("raw.shops.id", ROWS), ("raw.shops.name", ROWS)},
        ),
        ("SELECT id FROM raw.orders UNION ALL SELECT id FROM raw.shops",
         {("raw.orders.id", "id"), ("raw.shops.id", "id")}),
        (
            "SELECT id FROM raw.orders WHERE id IN (SELECT id FROM raw.shops)",
            {("raw.orders.id", "id"), ("raw.orders.id", ROWS), ("raw.shops.id", ROWS)},
        ),
        ("SELECT * FROM raw.shops", {("raw.shops.id", "id"), ("raw.shops.name", "name")}),
        ("SELECT count(*) AS n FROM raw.shops", set()),
    ],
)  # fmt: skip
def test_a_query_names_the_columns_that_it_reads_and_for_what(sql: str, expected: set[tuple[str, str]]):
    """Through aliases, CTEs, unions, joins and subqueries; filters and keys count for all rows."""
    assert uses(sql) == expected


@pytest.mark.timeout(30)
def test_a_chain_of_queries_that_read_the_one_before_twice_takes_no_time():
    """Each is traced once: forty of them have a million million paths."""
    ends = "WITH c0 AS (SELECT name FROM raw.shops)"
    for number in range(40):
        ends += f", c{number + 1} AS (SELECT a.name FROM c{number} AS a JOIN c{number} AS b USING (name))"

    assert uses(f"{ends} SELECT name FROM c40") == {("raw.shops.name", "name"), ("raw.shops.name", ROWS)}


def node(name: str, owner: str, *columns: str) -> Node:
    described = tuple(Column(name=column, type="INT", description="") for column in columns)
    return Node(name=name, kind="FULL", owner=owner, path=f"models/{name}.sql", columns=described)


def test_a_change_reaches_readers_of_readers_by_their_columns():
    """Models by distance, syncs of touched columns last; what reads other columns is left out."""
    graph = Graph(
        nodes=(node("s.stg", "ann", "id", "amount"), node("s.mart", "bob", "sum"),
               node("s.other", "eve", "x"),
               node("s.python", "pia", "p")),
        edges=(),
        uses=(
            ColumnUse(source="raw.orders", column="total", reader="s.stg", output="amount"),
            ColumnUse(source="raw.orders", column="id", reader="s.stg", output="id"),
            ColumnUse(source="s.stg", column="amount", reader="s.mart", output="sum"),
            ColumnUse(source="s.stg", column="id", reader="s.other", output="x"),
            ColumnUse(source="s.mart", column=ANY, reader="s.python", output=ANY),
        ),
    )  # fmt: skip
    readers = [
        Reader(name="sync crm", model="s.mart", columns={"sum": ""}, file="crm.sync.yaml"),
        Reader(name="sync mail", model="s.other", columns={"x": ""}, file="mail.sync.yaml"),
    ]

    found = find_affected(graph, readers, "raw.orders", ["total"])

    assert [(a.name, a.owner, a.columns, a.reads) for a in found] == [
        ("s.stg", "ann", ("amount",), ("total",)),
        ("s.mart", "bob", ("sum",), ()),
        ("s.python", "pia", ("p",), ()),
        ("sync crm", "bob", ("sum",), ()),
    ]
    assert find_affected(graph, readers, "raw.orders", []) == ()

"""Staging keeps one row of each idempotency key, and every row without one."""

from __future__ import annotations

import duckdb
from sqlglot import exp, parse_one
from sqlmesh.core.macros import MacroEvaluator

from tests.fakes.project_macros import load

first_of_repeats = load("repeats").first_of_repeats


def kept(rows):
    """Return the values that staging keeps of (value, idempotency key, partition, offset) rows."""
    condition = first_of_repeats(MacroEvaluator("duckdb"), parse_one("landed.meta"))
    query = exp.select("landed.value").from_("landed")
    query.set("qualify", exp.Qualify(this=condition))
    with duckdb.connect() as connection:
        connection.execute(
            'CREATE TABLE landed (value TEXT, meta STRUCT(idempotency_key TEXT, partition INT, "offset" INT))'
        )
        for value, key, partition, offset in rows:
            connection.execute(
                "INSERT INTO landed SELECT ?, {'idempotency_key': ?, 'partition': ?, 'offset': ?}",
                [value, key, partition, offset],
            )
        return sorted(row[0] for row in connection.execute(query.sql("duckdb")).fetchall())


def test_the_first_row_of_each_key_stays():
    """Repeats go, by the order in which they landed; other keys stay."""
    assert kept([("b", "k", 0, 9), ("a", "k", 0, 2), ("c", "other", 0, 3)]) == ["a", "c"]


def test_rows_without_a_key_all_stay():
    """Producers that send no key lose nothing, even where a key looks like a coordinate."""
    rows = [("a", None, 0, 1), ("b", None, 0, 2), ("c", None, 1, 1), ("d", "0:1", 2, 1)]

    assert kept(rows) == ["a", "b", "c", "d"]


def test_trino_gets_the_same_condition():
    """Trino has no QUALIFY: the query is written with a row number in a subquery."""
    condition = first_of_repeats(MacroEvaluator("trino"), parse_one("landed.meta"))
    query = exp.select("landed.value").from_("landed")
    query.set("qualify", exp.Qualify(this=condition))

    written = query.sql("trino")

    assert "QUALIFY" not in written
    assert "ROW_NUMBER() OVER (PARTITION BY landed.meta.idempotency_key" in written

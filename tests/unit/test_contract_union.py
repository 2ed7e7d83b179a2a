"""One view over two major versions: what it shows of old rows, and what keeps it from being made."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from lake.contracts import Mode, parse_contract
from lake.contracts.external import external_models
from lake.contracts.union import migration_problems, unite
from tests.fakes.orders_contract import EVENTS

FIRST = parse_contract(EVENTS)
SECOND_TEXT = """\
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: placed_at, logicalType: timestamp, required: true}
      - name: cents
        logicalType: integer
        logicalTypeOptions: {format: i64}
        required: true
        customProperties: [{property: migration, value: "CAST(total * 100 AS BIGINT)"}]
      - {name: pieces, logicalType: integer, logicalTypeOptions: {format: i64}}
      - {name: note, logicalType: string}
"""
HEAD = EVENTS[: EVENTS.index("      - {name: id,")].replace("1.0.0", "2.0.0")
SECOND = parse_contract(HEAD + SECOND_TEXT)


def test_old_rows_are_shown_as_rows_of_the_new_version():
    """By migration, by name with a wider type, or null; the rows of both versions are there."""
    union = unite(SECOND, [FIRST, SECOND])
    assert union is not None
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.raw")
        connection.execute(
            "CREATE TABLE lake.raw.orders AS SELECT 'a' AS id, now() AS placed_at,"
            " 1.25::DECIMAL(12, 2) AS total, 3::INTEGER AS pieces, {'offset': 1} AS meta"
        )
        connection.execute(
            "CREATE TABLE lake.raw.orders_v2 AS SELECT 'b' AS id, now() AS placed_at, 700::BIGINT AS cents,"
            " 4::BIGINT AS pieces, 'n' AS note, {'offset': 2} AS meta"
        )
        found = connection.execute(union.sql("raw")["duckdb"]).to_arrow_table()

    rows = [(r["id"], r["cents"], r["pieces"], r["note"], r["meta"]["offset"]) for r in found.to_pylist()]
    assert sorted(rows) == [("a", 125, 3, None, 1), ("b", 700, 4, "n", 2)]
    assert union.name == "orders_v2_all"
    assert "AS BIGINT" in union.sql("raw")["trino"]


def test_a_third_version_builds_on_the_view_of_the_second():
    """So that the newest one has all rows."""
    third = replace(SECOND, version="3.0.0", stream="orders_v3", migration=())

    union = unite(third, [FIRST, SECOND, third])

    assert union is not None
    assert (union.name, union.older) == ("orders_v3_all", "orders_v2_all")


def test_there_is_no_union_of_a_first_version_or_of_changelogs():
    """A key that changed in both has no newest row that a view could tell."""
    assert unite(FIRST, [FIRST, SECOND]) is None
    assert unite(replace(SECOND, mode=Mode.UPSERT), [FIRST, SECOND]) is None


def test_sqlmesh_learns_of_the_view():
    """Models may read it like a table."""
    assert "lake.raw.orders_v2_all" in external_models([FIRST, SECOND])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("CAST(total * 100 AS BIGINT)", "CAST(total * AS", "is no SQL"),
        ("CAST(total * 100 AS BIGINT)", "price * 100", "names price, which orders 1.0.0 does not have"),
        ("CAST(total * 100 AS BIGINT)", "(SELECT 1)", "is not one expression over a row"),
        ("CAST(total * 100 AS BIGINT)", "total, pieces", "is not one expression over a row"),
        (
            '        customProperties: [{property: migration, value: "CAST(total * 100 AS BIGINT)"}]\n',
            "",
            "cents is required and not in 1.0.0: give it a migration",
        ),
        (
            "{name: pieces, logicalType: integer,",
            "{name: pieces, logicalType: string,",
            "pieces was int in 1.0.0",
        ),
    ],
)
def test_a_version_whose_rows_can_not_be_united_says_which_column(old: str, new: str, says: str):
    """Before anything is deployed."""
    assert old in SECOND_TEXT
    text = SECOND_TEXT.replace(old, new).replace("string, logicalTypeOptions: {format: i64}", "string")

    problems = list(migration_problems(parse_contract(HEAD + text), [FIRST]))

    assert any(says in problem for problem in problems), problems
    assert list(migration_problems(SECOND, [FIRST, SECOND])) == []


def test_a_migration_without_a_version_before_is_refused():
    """It would mean nothing."""
    assert "there is no version before" in next(migration_problems(SECOND, [SECOND]))

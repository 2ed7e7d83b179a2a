"""Access rules for Trino: prod to read, personal data masked, whatever the column is called by then."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot.optimizer.qualify import qualify

from lake.mesh.access import plan_rules
from lake.mesh.graph import Column, Graph, Node
from lake.mesh.personal import personal_outputs

KNOWN = {("raw.people", "id"): True, ("raw.people", "age"): False}
SCHEMA = {"lake": {"raw": {"people": {"id": "bigint", "age": "text", "city": "text"}}}}


def outputs(sql: str) -> dict[str, bool]:
    """Return what is found in a query, qualified as SQLMesh renders it."""
    query = qualify(sqlglot.parse_one(sql, dialect="duckdb"), schema=SCHEMA, dialect="duckdb")
    return personal_outputs(query, query.named_selects, KNOWN)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT age FROM lake.raw.people", {"age": False}),
        ("SELECT age::TEXT AS age_band FROM lake.raw.people", {"age_band": False}),
        ("WITH p AS (SELECT * FROM lake.raw.people) SELECT p.age AS a, p.city FROM p", {"a": False}),
        ("SELECT CASE WHEN age > '5' THEN 'old' ELSE 'young' END AS c FROM lake.raw.people", {"c": False}),
        ("SELECT city FROM lake.raw.people UNION ALL SELECT age FROM lake.raw.people", {"city": False}),
        ("SELECT MAX(age) AS oldest FROM lake.raw.people", {"oldest": False}),
        ("SELECT COUNT(DISTINCT id) AS n, city FROM lake.raw.people GROUP BY city", {}),
        ("SELECT COUNT(*) AS n, age AS a FROM lake.raw.people GROUP BY age", {"a": False}),
        ("SELECT id AS person, COUNT(age) AS n FROM lake.raw.people GROUP BY id", {"person": True}),
        ("SELECT md5(id || age) AS both FROM lake.raw.people", {"both": False}),
    ],
)
def test_personal_data_are_followed_through_a_query(sql, found):
    """Renamed, cast or computed they stay personal; counted they are nobody's any more."""
    assert outputs(sql) == found


@pytest.mark.timeout(30)
def test_a_chain_of_queries_that_read_the_one_before_twice_takes_no_time():
    """Each column is followed once: forty of them have a million million paths."""
    ends = "WITH c0 AS (SELECT age FROM lake.raw.people)"
    for number in range(40):
        ends += f", c{number + 1} AS (SELECT a.age || b.age AS age FROM c{number} AS a, c{number} AS b)"

    assert outputs(f"{ends} SELECT age FROM c40") == {"age": False}


def node(name: str, *columns: Column) -> Node:
    return Node(name=name, kind="FULL", columns=columns)


@pytest.fixture
def rules():
    """Give the rules of a small lake."""
    people = node(
        "raw.people",
        Column(name="id", type="BIGINT", description="", personal="key"),
        Column(name="age", type="TEXT", description="", personal="value"),
        Column(name="city", type="TEXT", description=""),
    )
    mart = node("analytics.ages", Column(name="age_band", type="TEXT", description="", personal="value"))
    return plan_rules(Graph(nodes=(people, mart), edges=()), quarantine="quarantine", salt="pep'per")


def first_table_rule(rules, user, schema, table):
    """Find the rule that Trino would: the first whose patterns match as a whole."""
    for rule in rules["tables"]:
        wanted = {"user": user, "catalog": "lake", "schema": schema, "table": table}
        if all(re.fullmatch(rule[key], wanted[key]) for key in wanted if key in rule):
            return rule
    return None


@pytest.mark.parametrize("schema", ["analytics", "staging", "raw", "ops"])
def test_an_analyst_reads_prod(rules, schema):
    """Any schema of prod, without a list of names to keep up to date; reading only."""
    assert first_table_rule(rules, "ana", schema, "anything")["privileges"] == ["SELECT"]


@pytest.mark.parametrize("schema", ["sqlmesh__analytics", "analytics__dev_x", "quarantine"])
def test_an_analyst_sees_no_physical_table_no_environment_and_no_quarantine(rules, schema):
    """Unaudited rows, other people's work and refused records stay closed."""
    assert first_table_rule(rules, "ana", schema, "t")["privileges"] == []


@pytest.mark.parametrize("user", ["lake", "lakemesh"])
def test_the_owner_sees_everything_unmasked(rules, user):
    """Or models would be built from masks."""
    rule = first_table_rule(rules, user, "raw", "people")

    assert "INSERT" in rule["privileges"]
    assert "columns" not in rule


def test_a_user_who_is_called_like_the_owner_is_not_the_owner(rules):
    """Patterns match whole names."""
    assert first_table_rule(rules, "lake2", "raw", "people")["privileges"] == ["SELECT"]


def test_keys_become_pseudonyms_and_values_null(rules):
    """A pseudonym joins and counts; the salt stands in it quoted."""
    masks = {c["name"]: c["mask"] for c in first_table_rule(rules, "ana", "raw", "people")["columns"]}

    assert masks["age"] == "NULL"
    assert "hmac_sha256" in masks["id"]
    assert "'pep''per'" in masks["id"]
    assert "city" not in masks
    assert len(sqlglot.parse(masks["id"], dialect="trino")) == 1


def test_a_table_that_nobody_knows_is_masked_by_name(rules):
    """A view made by hand gets what any personal column of that name gets."""
    names = {c["name"] for c in first_table_rule(rules, "ana", "analytics", "made_by_hand")["columns"]}

    assert names == {"id", "age", "age_band"}


def test_without_a_salt_keys_are_null():
    """A hash of a small number without a secret would be no mask."""
    person = node("raw.people", Column(name="id", type="BIGINT", description="", personal="key"))
    rules = plan_rules(Graph(nodes=(person,), edges=()), quarantine="q", salt="")

    assert first_table_rule(rules, "ana", "raw", "people")["columns"] == [{"name": "id", "mask": "NULL"}]

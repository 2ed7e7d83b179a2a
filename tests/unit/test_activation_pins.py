"""A mart is read at one state: every table beneath it at the snapshot that the plan names."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot

from lake.activation.lake_mart import pinned

PINS = {"analytics.orders": 7, "analytics.people": 9}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT o.id FROM lake.analytics.orders AS o",
        "SELECT orders.id FROM lake.analytics.orders",
        "WITH x AS (SELECT id FROM analytics.orders AS o JOIN analytics.people AS p USING (id)) FROM x",
    ],
)
def test_a_pinned_query_is_one_that_duckdb_parses(query):
    """Aliases, bare names and joins survive; each table carries its own version."""
    text = pinned(sqlglot.parse_one(query, dialect="duckdb"), PINS).sql("duckdb")

    assert "VERSION => 7" in text
    assert ("VERSION => 9" in text) == ("people" in query)
    # The parser is what refuses an alias behind a version; the catalog isn't attached here.
    with pytest.raises(duckdb.Error) as refused:
        duckdb.connect().execute(text)
    assert not isinstance(refused.value, duckdb.ParserException)

"""Tables and views as text: Iceberg's types, transforms, properties, listed columns."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from lake.mesh.ddl import create_table_sql, iceberg_columns, view_texts
from lake.mesh.errors import StockError
from lake.mesh.evidence import MASK, as_rows
from lake.types import TableName

NAME = TableName(schema="s", name="t")


def kinds(**types: str) -> dict[str, exp.DataType]:
    """Build columns from DuckDB's type names."""
    return {name: exp.DataType.build(text, dialect="duckdb") for name, text in types.items()}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("SMALLINT", "INT"),
        ("UINTEGER", "BIGINT"),
        ("HUGEINT", "DECIMAL(38, 0)"),
        ("DECIMAL(12,2)", "DECIMAL(12, 2)"),
        ("JSON", "TEXT"),
        ("TIMESTAMPTZ", "TIMESTAMPTZ"),
        ("STRUCT(a SMALLINT, b DECIMAL(5,2)[])", "STRUCT(a INT, b DECIMAL(5, 2)[])"),
    ],
)
def test_a_type_that_iceberg_lacks_becomes_the_next_wider_one(given: str, kept: str) -> None:
    """Inside structs and lists too."""
    assert iceberg_columns(NAME, kinds(c=given))["c"].sql("duckdb") == kept


def test_a_type_without_a_place_in_iceberg_is_refused_by_column() -> None:
    """The message names the column and says what to do."""
    with pytest.raises(StockError, match=r"(?s)s\.t.*gap INTERVAL.*cast"):
        iceberg_columns(NAME, kinds(gap="INTERVAL"))


@pytest.mark.parametrize(
    ("cut", "transform"),
    [
        ("day", 'month("day")'),
        ("g", '"g"'),
        ("DAY(ts)", 'day("ts")'),
        ("DATE_TRUNC('month', ts)", 'month("ts")'),
        ("BUCKET(16, g)", 'bucket(16, "g")'),
    ],
)
def test_a_partition_is_written_as_icebergs_transform(cut: str, transform: str) -> None:
    """A plain date is cut by month: small days cost more in files than they save."""
    sql = create_table_sql(
        NAME,
        kinds(day="DATE", ts="TIMESTAMP", g="BIGINT"),
        partitioned_by=[sqlglot.parse_one(cut, dialect="duckdb")],
        properties=None,
        exists=True,
    )
    assert f"PARTITIONED BY ({transform})" in sql


def test_a_partition_that_iceberg_has_no_transform_for_is_refused() -> None:
    """The message lists those that there are."""
    with pytest.raises(StockError, match=r"(?s)g \+ 1.*bucket"):
        create_table_sql(
            NAME,
            kinds(g="BIGINT"),
            partitioned_by=[sqlglot.parse_one("g + 1", dialect="duckdb")],
            properties=None,
            exists=True,
        )


def test_a_models_property_wins_over_ours() -> None:
    """physical_properties of the model come last; names that are no table properties stay out."""
    given = {"write.parquet.compression-codec": exp.Literal.string("snappy"), "creatable_type": exp.var("x")}
    sql = create_table_sql(NAME, kinds(g="BIGINT"), partitioned_by=None, properties=given, exists=False)
    assert "'write.parquet.compression-codec' = 'snappy'" in sql
    assert "creatable_type" not in sql


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT * FROM lake.p.t", 'SELECT "a", "b" FROM "lake"."p"."t"'),
        ("SELECT a, b FROM lake.p.t", 'SELECT "a", "b" FROM "lake"."p"."t"'),
        (
            "SELECT t.*, 1 AS b FROM lake.p.t AS t",
            'SELECT "a", "b" FROM (SELECT "t".*, 1 AS "b" FROM "lake"."p"."t" AS "t") AS "q"',
        ),
    ],
)
def test_a_view_lists_its_columns(query: str, text: str) -> None:
    """Trino calls a view with a star stale once its table has got a column."""
    parsed = sqlglot.parse_one(query, dialect="duckdb")
    assert isinstance(parsed, exp.Query)
    assert view_texts(parsed, ["a", "b"])["duckdb"] == text


def test_evidence_holds_at_most_a_hundred_rows_and_no_personal_data() -> None:
    """Masked by the contracts' columns; when nobody knows them, everything is masked."""
    rows, masked = as_rows(["id", "Email"], [(n, "x@y") for n in range(500)], frozenset({"email"}))
    assert len(rows) == 100
    assert rows[0] == {"id": 0, "Email": MASK}
    assert masked == ["Email"]
    rows, masked = as_rows(["id", "email"], [(1, None)], None)
    assert rows == [{"id": MASK, "email": None}]
    assert masked == ["id", "email"]

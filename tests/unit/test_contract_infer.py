"""First contracts: what a sample proves, what is marked for review, and the next major version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal as Number
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from app.cli.contract import cli
from ingest.sample import sample_file
from lake.contracts import load_contract, load_contracts
from lake.contracts.infer import guess_columns
from lake.contracts.union import migration_problems
from lake.errors import BadInputError, LakeError, UnavailableError
from lake.types import Decimal, Primitive
from tests.fakes.http_server import Handler, serve
from tests.fakes.orders_contract import EVENTS

CSV = "order_id,at,total,zip_code,email,state\n" + "".join(
    f"{n},2026-01-{1 + n:02d}T10:00:00Z,{n}.50,0{n}123,a{n}@b.c,{'open' if n % 2 else 'paid'}\n"
    for n in range(12)
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.yaml").write_text("project: test\n")
    (tmp_path / "ingest" / "contracts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str):
    result = CliRunner().invoke(cli, list(arguments))
    if result.exception is not None and not isinstance(result.exception, LakeError | SystemExit):
        raise result.exception
    return result


def test_a_csv_becomes_a_contract_that_check_accepts(project: Path):
    """Types, key, time, personal data and a short list of values; codes with leading zeros stay texts."""
    (project / "orders.csv").write_text(CSV)

    made = run("new", "orders", "--file", "orders.csv", "--owner", "shop")
    run("external", "--write")
    checked = run("check")

    assert (made.exit_code, checked.exit_code) == (0, 0), made.output
    contract = load_contract(project / "ingest" / "contracts" / "orders.yaml")
    assert {f.name: f.type for f in contract.fields} == {
        "order_id": Primitive.LONG,
        "at": Primitive.TIMESTAMPTZ,
        "total": Decimal(precision=20, scale=2),
        "zip_code": Primitive.STRING,
        "email": Primitive.STRING,
        "state": Primitive.STRING,
    }
    assert (contract.primary_key, contract.event_time) == (("order_id",), "at")
    assert contract.pii == {"zip_code", "email"}
    assert [r.argument for r in contract.rules if r.name == "enum"] == [("open", "paid")]
    assert (contract.source, contract.resource) == ("files", "orders")
    assert "Review:" in contract.text


def test_nested_answers_and_parquet_are_read_too(tmp_path: Path):
    """The longest array of objects in an answer; Arrow's own types."""
    answer = {
        "page": 1,
        "data": [{"id": n, "place": {"city": "Ulm"}, "tags": ["a"], "w": 0.1234567} for n in (1, 2)],
    }
    (tmp_path / "a.json").write_text(json.dumps(answer))
    pq.write_table(
        pa.table({"id": [1, 2], "day": [date(2026, 1, 1)] * 2, "sum": [Number("1.5")] * 2}),
        tmp_path / "b.parquet",
    )

    columns = {c.name: c for c in guess_columns(sample_file(tmp_path / "a.json", count=10)).columns}
    arrow = {c.name: c for c in guess_columns(sample_file(tmp_path / "b.parquet", count=10)).columns}

    assert (columns["place"].logical, columns["tags"].logical, columns["w"].places) == ("object", "array", -1)
    assert (arrow["day"].logical, arrow["sum"].places) == ("date", 1)


@pytest.fixture
def api() -> Iterator[str]:
    """Serve one answer of orders, and something that is no JSON."""

    class Orders(Handler):
        def handle_any(self) -> None:
            orders = {"data": [{"id": n, "total": n + 0.25} for n in range(5)], "next": "/orders?page=2"}
            body = json.dumps(orders).encode() if self.path == "/orders" else b"<html>"
            self.answer(200, body)

    with serve(Orders) as url:
        yield url


def test_an_answer_of_an_api_becomes_a_contract(project: Path, api: str):
    """Its records are found in the answer; an address that gives none is named, with what to do."""
    made = run("new", "orders", "--url", f"{api}/orders", "--owner", "shop", "--source", "shop")
    refused = run("new", "pages", "--url", f"{api}/pages")
    silent = run("new", "pages", "--url", "http://127.0.0.1:9/orders")

    assert made.exit_code == 0, made.output
    contract = load_contract(project / "ingest" / "contracts" / "orders.yaml")
    assert {f.name: f.type for f in contract.fields} == {
        "id": Primitive.LONG,
        "total": Decimal(precision=20, scale=2),
    }
    assert (contract.source, contract.resource) == ("shop", "orders")
    assert f"{api}/pages is no JSON" in str(refused.exception)
    assert isinstance(silent.exception, UnavailableError)
    assert silent.exception.hint


def test_what_can_not_be_a_column_is_left_out_and_named():
    """Names that tables don't take, and values that have no type in common."""
    guessed = guess_columns([{"id": 1, "B c": 1, "mixed": 1, "meta": {}}, {"id": 2, "mixed": "x"}])

    assert [c.name for c in guessed.columns] == ["id"]
    assert sorted(line.split(":")[0] for line in guessed.left_out) == ["B c", "meta", "mixed"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("orders",), "name one sample"),
        (("orders", "--file", "gone.csv"), "there is no file"),
        (("orders", "--file", "config.yaml"), "is not known"),
        (("orders", "--major"), "there is no contract of orders"),
    ],
)
def test_a_sample_that_is_none_is_refused(project: Path, arguments, says):
    """With the next step."""
    failed = run("new", *arguments)

    assert isinstance(failed.exception, BadInputError)
    assert says in str(failed.exception)
    assert failed.exception.hint


def test_the_next_major_version_begins_as_a_copy_and_the_old_one_gets_an_end(project: Path):
    """Both files load together; nothing is lost when it is asked for twice."""
    folder = project / "ingest" / "contracts"
    (folder / "orders.yaml").write_text(EVENTS)

    made = run("new", "orders", "--major")
    contracts = load_contracts(folder)

    assert made.exit_code == 0, made.output
    assert [(c.stream, c.version) for c in contracts] == [("orders", "1.0.0"), ("orders_v2", "2.0.0")]
    assert contracts[0].end_of_support is not None
    assert list(migration_problems(contracts[1], contracts)) == []


def test_docs_write_a_page_per_contract_and_an_index(project: Path):
    """With columns, rules and the day on which support ends; a pipe in a text breaks no table."""
    folder = project / "ingest" / "contracts"
    (folder / "orders.yaml").write_text(EVENTS.replace("Orders of the shop.", "Orders | of the shop."))
    run("new", "orders", "--major")

    made = run("docs", "--out", "site")

    assert made.exit_code == 0, made.output
    index = (project / "site" / "index.md").read_text()
    page = (project / "site" / "orders.md").read_text()
    assert "[orders_v2](orders_v2.md) | 2.0.0 | active | shop | Orders \\| of the shop." in index
    assert "| total | DECIMAL(12, 2) | yes |" in page
    assert "**Deprecated**, supported until 20" in page
    assert "No model and no sync reads it." in page

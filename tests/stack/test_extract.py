"""The retail source against the demo's own API and the running stack, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.compute as pc
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app.cli.extract import cli
from ingest.extract.run import run_sources
from ingest.extract.status import extract_status
from lake.catalog import load_table, open_catalog
from lake.catalog.scan import read_rows
from lake.control import read_acts
from lake.settings import Settings
from lake.types import TableName

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("extract")]

ROOT = Path(__file__).parents[2]
TOKEN = "token-of-this-test"
CODE = "from lake.log import configure; from app.cli.extract import cli; configure(); cli()"
COMMAND = (sys.executable, "-c", CODE)
SMALL = ("retail/demographics", "retail/campaigns", "retail/campaign_descriptions")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the demo's retail API, which fails now and then, and give its address."""
    state = tmp_path_factory.mktemp("retail") / "demo.json"
    command = [sys.executable, "-m", "demo", "retail", "--state", str(state), "--fault-rate", "0.1"]
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DEMO_RETAIL_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["url"]
    finally:
        child.terminate()
        child.wait(timeout=10)


@pytest.fixture
def retail(lake_settings: Settings, api: str) -> Settings:
    variables = {"retail_url": SecretStr(api), "retail_token": SecretStr(TOKEN)}
    return lake_settings.model_copy(update={"variables": variables})


@pytest.fixture
def environment(lake_environment: dict[str, str], api: str) -> dict[str, str]:
    return {
        **lake_environment,
        "LAKE_VARIABLES__RETAIL_URL": api,
        "LAKE_VARIABLES__RETAIL_TOKEN": TOKEN,
    }


@dataclass(frozen=True, kw_only=True)
class Landed:
    """Rows of a raw table, how many coordinates they have, and the sources that they name."""

    rows: int
    coordinates: int
    sources: list[str]


def landed(settings: Settings, stream: str) -> Landed:
    state = load_table(open_catalog(settings), TableName(schema=settings.landing.raw_schema, name=stream))
    assert state is not None
    meta = read_rows(state, columns=("meta",)).column("meta")
    offsets, sources = pc.struct_field(meta, "offset"), pc.struct_field(meta, "source")
    return Landed(
        rows=len(meta), coordinates=pc.count_distinct(offsets).as_py(), sources=pc.unique(sources).to_pylist()
    )


def test_the_demos_resources_land_once_and_a_second_run_moves_nothing(retail: Settings):
    """Counts are those of the published data, through 429, 500 and 503; then nothing is new."""
    first = run_sources(retail, SMALL)
    second = run_sources(retail, SMALL)

    assert {r.resource: (r.landed, r.quarantined) for r in first} == {
        "demographics": (801, 0),
        "campaigns": (6_589, 0),
        "campaign_descriptions": (27, 0),
    }
    assert [(r.fetched, r.landed, r.commits) for r in second] == [(0, 0, 0)] * 3
    assert landed(retail, "campaigns") == Landed(rows=6_589, coordinates=6_589, sources=["retail.campaigns"])


def test_a_row_says_where_it_came_from(retail: Settings):
    """`meta` holds key, time of the change and contract version; decimals, dates and nulls are typed."""
    run_sources(retail, ["retail/campaign_descriptions"])
    name = TableName(schema=retail.landing.raw_schema, name="campaign_descriptions")
    state = load_table(open_catalog(retail), name)
    assert state is not None

    rows = read_rows(state, columns=tuple(f.name for f in state.handle.schema().fields)).to_pylist()

    for row in rows:
        assert row["meta"]["key"] == str(row["campaign_id"])
        assert row["meta"]["produced_at"] == row["updated_at"]
        assert row["meta"]["schema_version"] == "1.0.0"
        assert row["start_date"] < row["end_date"]


def test_the_command_lands_reports_and_is_recorded(
    retail: Settings, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """`lake extract run` and `status` speak JSON; the run stands in the audit log."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(retail.project_root)

    with capture_logs():
        ran = CliRunner().invoke(cli, ["run", "retail/demographics", "--reason", "test", "--json"])
        shown = CliRunner().invoke(cli, ["status", "--json"])

    assert json.loads(ran.stdout)[0]["landed"] == 801
    status = {s["resource"]: s for s in json.loads(shown.stdout)}
    assert status["demographics"]["rows"] == 801
    assert (status["products"]["rows"], status["products"]["last_commit"]) == (0, None)
    assert any(entry.act == "extract.run" for entry in read_acts(retail.postgres))


def test_a_run_killed_in_the_middle_is_finished_by_the_next(retail: Settings, environment: dict[str, str]):
    """Killed with -9 after the first commit of 92,331 products, it goes on there; each is there once."""
    child = subprocess.Popen(
        [*COMMAND, "run", "retail/products"],
        cwd=retail.project_root,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    catalog = open_catalog(retail)
    name = TableName(schema=retail.landing.raw_schema, name="products")
    ends = time.monotonic() + 120
    while not ((state := load_table(catalog, name)) and state.main) and time.monotonic() < ends:
        time.sleep(0.02)
    assert psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE
    child.kill()
    child.wait()
    before = landed(retail, "products").rows

    (report,) = run_sources(retail, ["retail/products"])

    assert 0 < before < 92_331
    assert report.landed == 92_331 - before
    assert landed(retail, "products") == Landed(rows=92_331, coordinates=92_331, sources=["retail.products"])
    (status,) = [s for s in extract_status(retail) if s.resource == "products"]
    assert (status.rows, status.quarantined) == (92_331, 0)

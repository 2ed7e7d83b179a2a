"""From topics and APIs to the CRM by the commands that people type; every page's commands run on it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from app.demo.promotions import land_promotions
from app.demo.systems import SourceSystems
from demo.data import promotions_file
from lake.postgres import connect
from tests.docs.test_commands import typed_commands
from tests.fakes.small_lake import ROOT, SmallLake

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("whole-lake")]

# Commands of the docs that this test leaves to others, and why.
ELSEWHERE = re.compile(
    r"sqlmesh (test|lint|format)\b"  # `make check` and `make test`
    r"|make |git |\. \.venv"  # the shell's own, and what `.ci/run` runs
    r"|lake (up|down)\b|lake demo|lake console"  # tests of stack, demo and console
    r"|lake (env|plan|run|diff)\b"  # the tests of planning, in a git repository
    r"|lake (connect|gateway|trino|land)\b"  # need servers and files of their own: their tests
    r"|lake contract (new|deploy)|lake contract diff orders"  # tests/stack/test_contract_commands.py
    r"|lake quarantine (show|replay|discard)|lake ingest resume"  # name what this lake may not have refused
    r"|--follow"  # ends by a signal only
)


@pytest.fixture(scope="module")
def lake(own_project) -> SmallLake:
    """Bring up a small lake and land it, once for this module; `own_project` ends what runs."""
    small = SmallLake(project=own_project)
    small.prepare()
    small.run("lake", "ingest", "run")
    small.run("lake", "extract", "run")
    small.run("sqlmesh", "plan", "prod", "--no-prompts", "--auto-apply", "--run")
    small.run("lake", "sync", "apply")
    return small


def query(lake: SmallLake, sql: str) -> list[dict]:
    return json.loads(lake.run("lake", "sql", "--json", sql))


def test_what_was_produced_is_landed_or_in_quarantine(lake):
    """Counts and distinct coordinates agree with the topic."""
    landed = query(lake, "SELECT count(*) AS n, count(DISTINCT meta) AS d FROM lake.raw.transactions")[0]
    bad = query(lake, "SELECT stream, count(*) AS n FROM lake.quarantine.records GROUP BY stream ORDER BY 1")
    quarantined = {row["stream"]: row["n"] for row in bad}

    assert landed["n"] == landed["d"] == lake.produced["transactions"] - quarantined["transactions"]
    assert quarantined["transactions"] > 0


def test_every_step_a_second_time_does_nothing(lake):
    """Landing, extracts and sync have nothing left to do."""
    assert "nothing new" in lake.run("lake", "ingest", "run")
    assert all(r["landed"] == 0 for r in json.loads(lake.run("lake", "extract", "run", "--json")))
    assert json.loads(lake.run("lake", "sync", "apply", "--json"))["run_id"] is None


def test_the_marts_hold_what_landed(lake):
    """Money is neither lost nor invented between raw and marts, up to the last full day."""
    raw, mart = (
        query(lake, f"SELECT coalesce(sum({column}), 0)::varchar AS total FROM {source}")[0]["total"]
        for column, source in (
            ("sales_value", "lake.raw.transactions WHERE transaction_timestamp < date_trunc('day', now())"),
            ("sales_value", "lake.analytics.sales_by_store_day"),
        )
    )

    assert float(raw) == float(mart) > 0


def test_promotions_land_once_beside_a_running_lake_and_reach_their_mart(lake, tmp_path, monkeypatch):
    """Before them the mart is there and empty; a second time moves nothing, whatever the file is called."""
    rows = pl.scan_parquet(promotions_file()).filter(pl.col("week") <= 3, pl.col("store_id") % 20 == 7)
    rows.collect().write_parquet(tmp_path / "promotions.parquet")
    count = rows.select(pl.len()).collect().item()
    files = [tmp_path / "promotions.parquet", tmp_path / "again.parquet"]
    shutil.copy(*files)
    assert query(lake, "SELECT count(*) AS n FROM lake.analytics.promotion_effect") == [{"n": 0}]

    proofs = []
    for file in files:
        said = {"file": str(file), "rows": count}
        monkeypatch.setattr(SourceSystems, "promotions", lambda _systems, said=said: said)
        proofs.append(land_promotions(lake.project, say=print, working=lambda _name: nullcontext()))

    assert [(p.violations(), p.landed, p.already_done) for p in proofs] == [
        ((), count, False),
        ((), count, True),
    ]
    assert query(lake, "SELECT sum(promotions)::BIGINT AS n FROM lake.analytics.promotion_effect") == [
        {"n": count}
    ]


def runnable() -> list[str]:
    lines = dict.fromkeys(line for page, line in typed_commands() if page != "tutorial.md")
    return [
        line for line in lines if not ELSEWHERE.search(line) and shlex.split(line)[0] in {"lake", "sqlmesh"}
    ]


@pytest.mark.timeout(1200)  # dozens of whole commands, on a machine that may be busy
def test_every_command_of_the_docs_runs(lake):
    """README and docs in their order, after a model was edited: each ends with success."""
    mart = lake.project.root / "models" / "marts" / "households" / "household_value.sql"
    mart.write_text(mart.read_text().replace("description '", "description 'Edited: ", 1))
    ran = [line for line in runnable() if lake.run(*shlex.split(line)) is not None]

    assert len(ran) >= 15


def test_the_python_of_the_notebook_page_runs(lake):
    """As one script; the pages' commands have taken the development environment away again."""
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))

    script = script.replace('env="dev_me"', 'env="prod"')

    command = [sys.executable, "-c", f"{script}\nprint(joined.dtypes)"]

    assert "int64" in subprocess.check_output(command, cwd=lake.project.root, text=True)


def test_no_secret_is_written_where_it_does_not_belong(lake):
    """Logs, tables, state and definitions are searched for every generated secret (invariant I9)."""
    secrets = [secret.encode() for secret in lake.settings.secrets()]
    assert len(secrets) >= 4
    keepers = {"endpoints.json", "stack.json"}
    found = [
        str(path)
        for path in lake.project.root.rglob("*")
        if path.is_file() and path.name not in keepers and any(s in path.read_bytes() for s in secrets)
    ]

    assert found == []
    for path in (lake.project.state / name for name in keepers):
        assert path.stat().st_mode & 0o077 == 0


def test_no_secret_is_printed(lake):
    """What commands print, as text and as JSON, holds no secret."""
    outputs = [
        lake.run("lake", *command)
        for command in (["status"], ["status", "--json"], ["doctor", "--json"], ["logs", "-n", "1000"])
    ]
    outputs += [json.dumps(query(lake, "SELECT * FROM lake.quarantine.records"))]

    assert [s for s in lake.settings.secrets() for text in outputs if s in text] == []


def test_no_secret_is_kept_in_a_table_of_the_database(lake):
    """Every row of every table in PostgreSQL, history, plans and SQLMesh's state among them, as text."""
    with connect(lake.settings.postgres) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema IN ('control', 'sqlmesh')"
        ).fetchall()
        rows = [
            row["text"]
            for table in tables
            for row in connection.execute(f"SELECT t::text AS text FROM {table['name']} AS t").fetchall()
        ]

    assert len(tables) >= 10
    assert len(rows) >= 100
    assert [s for s in lake.settings.secrets() for row in rows if s in row] == []


@pytest.mark.parametrize("screen", ["health", "lineage", "activation"])
def test_no_secret_is_shown_on_a_page(lake, monkeypatch, screen):
    """Everything that the console sends to a browser, texts, tables and charts alike."""
    monkeypatch.chdir(lake.project.root)
    script = f"from app.console.screens import {screen}\n{screen}.show()"
    page = AppTest.from_string(script, default_timeout=90).run()
    shown = str(page)

    assert not page.exception
    assert len(shown) > 1000
    assert [s for s in lake.settings.secrets() if s in shown] == []

"""Every mart on both engines over two weeks of true rows: SQL written once, the same table, row by row."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmesh import Context
from sqlmesh.core.console import NoopConsole, set_console

from lake.control import read_evaluations
from lake.mesh.session import Session, open_session
from lake.mesh.trino import open_trino
from lake.postgres import connect
from lake.settings import Project, Settings, load_settings
from tests.conftest import DEFINITIONS, ROOT
from tests.fakes.mesh import write_endpoints
from tests.models.test_totals import NEWEST, land, noon_after

pytestmark = pytest.mark.real

MARTS = sorted(
    f"{schema}.{path.stem}"
    for schema, layer in {"analytics": "marts", "activation": "activation"}.items()
    for path in (ROOT / "models" / layer).rglob("*.sql")
)
ENVIRONMENT = "on_trino"


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Prod was built by DuckDB, the environment's marts by Trino."""

    settings: Settings
    session: Session


class _Landing:
    """What `land` needs of a context: the models, and a cursor on the lake."""

    def __init__(self, context: Context) -> None:
        self.engine_adapter = context.engine_adapter
        self.get_model = context.get_model


@pytest.fixture(scope="module")
def both(trino_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Land two weeks, build prod, then the marts again with `gateway trino` in an environment."""
    folder = tmp_path_factory.mktemp("both")
    for name in DEFINITIONS:
        if (ROOT / name).is_dir() and name != "models":
            (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "config.yaml", folder)
    shutil.copytree(ROOT / "models", folder / "models")
    with connect(trino_lake.postgres, autocommit=True) as connection:
        connection.execute(b"CREATE DATABASE both_engines")
    project = Project(root=folder)
    write_endpoints(project, trino_lake, database="both_engines")
    set_console(NoopConsole())
    context = Context(paths=[str(folder)])
    land(_Landing(context))  # type: ignore[arg-type]
    plan = {"auto_apply": True, "no_prompts": True, "skip_tests": True, "skip_linter": True}
    context.plan(execution_time=noon_after(NEWEST), **plan)
    for mart in MARTS:
        _to_trino(folder, mart)
    context.load()
    context.plan(ENVIRONMENT, execution_time=noon_after(NEWEST), start="2025-01-01", **plan)
    context.close()
    settings = load_settings(project=project)
    with open_session(settings) as session:
        yield Both(settings=settings, session=session)


def _to_trino(folder: Path, mart: str) -> None:
    (path,) = (folder / "models").rglob(f"{mart.split('.')[1]}.sql")
    text = path.read_text(encoding="utf-8")
    changed = re.sub(r"^(MODEL \(\n  name [\w.]+,\n)", r"\1  gateway trino,\n", text)
    assert changed != text
    path.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_has_the_same_rows_on_both_engines(both: Both, mart: str) -> None:
    """Counted one by one and without regard to order; decimals, doubles and dates to the last digit."""
    schema, name = mart.split(".")
    theirs = f"lake.{schema}__{ENVIRONMENT}.{name}"
    ours = f"lake.{mart}"

    counts = both.session.query(
        f"""SELECT (SELECT count(*) FROM {ours}) AS here, (SELECT count(*) FROM {theirs}) AS there,
          (SELECT count(*) FROM (SELECT * FROM {ours} EXCEPT ALL SELECT * FROM {theirs})) AS missing"""
    ).to_pylist()

    assert counts == [{"here": counts[0]["here"], "there": counts[0]["here"], "missing": 0}]
    assert counts[0]["here"] > 0


def test_the_marts_of_the_environment_were_built_by_trino(both: Both) -> None:
    """And those of prod by DuckDB; or the comparison would prove nothing."""
    found = read_evaluations(both.settings.postgres, limit=1000)
    engines: dict[str, set[str]] = {}
    for evaluation in found:
        engines.setdefault(evaluation.model, set()).add(evaluation.engine)

    assert {mart: engines[mart] for mart in MARTS} == {mart: {"duckdb", "trino"} for mart in MARTS}
    assert engines["staging.stg_retail__transactions"] == {"duckdb"}


@pytest.mark.parametrize("mart", MARTS)
def test_trino_reads_what_duckdb_reads(both: Both, mart: str) -> None:
    """One name, prod's view, on either engine: tables that DuckDB wrote, views with a text for each."""
    columns = both.session.query(f"SELECT * FROM lake.{mart} LIMIT 0").column_names
    with open_trino(both.settings.trino) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT * FROM lake.{mart}")
        theirs = cursor.fetchall()
        names = [column[0] for column in cursor.description]

    assert names == columns
    assert len(theirs) == both.session.query(f"SELECT count(*) AS n FROM lake.{mart}").to_pylist()[0]["n"]
    ours: list[Any] = [
        tuple(row.values()) for row in both.session.query(f"SELECT * FROM lake.{mart}").to_pylist()
    ]
    assert sorted(map(str, map(tuple, theirs))) == sorted(map(str, ours))

"""One name means one thing to every reader: SQL, notebooks, Python models, audits, other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import lake
from lake.catalog.open import open_catalog
from lake.catalog.published import published
from lake.catalog.tables import load_table
from lake.errors import BadInputError
from lake.mesh.session import open_session
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_views")]

COUNTS = "SELECT g::INT AS g, SUM(v)::BIGINT AS v FROM {raw}.s GROUP BY g"
PYTHON = """\
import typing as t
import pandas as pd
from sqlmesh import ExecutionContext, model

@model("{me}.doubled", kind="FULL", columns={{"g": "int", "v": "bigint"}}, depends_on=["{me}.counts"],
       audits=[("agrees", {{}})])
def execute(context: ExecutionContext, **kwargs: t.Any) -> pd.DataFrame:
    frame = context.fetchdf("SELECT g, v * 2 AS v FROM " + context.resolve_table("{me}.counts") + " AS c")
    again = context.fetchdf("SELECT SUM(n) AS n FROM lake.{me}.shown")
    assert int(again["n"].iloc[0]) == 3
    return frame
"""
AUDIT = """\
AUDIT (name agrees);
SELECT d.g FROM @this_model AS d
WHERE d.v <> (SELECT 2 * c.v FROM {me}.counts AS c WHERE c.g = d.g)
   OR (SELECT SUM(n) FROM lake.{me}.shown) <> 3
"""


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project, not yet planned: a FULL model and a view on it."""
    with mesh_project(tmp_path_factory.mktemp("views"), stack) as project:
        project.sql("CREATE TABLE {raw}.s AS SELECT (i % 3)::INT AS g, i::BIGINT AS v FROM range(9) r(i)")
        project.model("counts", "kind FULL", COUNTS)
        project.model(
            "shown", "kind VIEW", "SELECT g::INT AS g, COUNT(*)::BIGINT AS n FROM {me}.counts GROUP BY g"
        )
        yield project


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Give the planned project; a Python model and an audit then read both views by name."""
    context = project.context()
    project.plan(context)
    for folder, name, text in (("models", "doubled.py", PYTHON), ("audits", "agrees.sql", AUDIT)):
        path = project.project.root / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(me=project.name), encoding="utf-8")
    context.load()
    project.plan(context)
    yield context
    context.close()


def test_a_python_model_and_an_audit_read_views_by_name(project: MeshProject, context: Any) -> None:
    """Both ran while the project was planned; had the names meant nothing, there would be no rows."""
    with open_session(project.settings) as session:
        rows = session.query(f"SELECT g, v FROM {project.name}.doubled ORDER BY g").to_pylist()
    assert rows == [{"g": 0, "v": 18}, {"g": 1, "v": 24}, {"g": 2, "v": 30}]


def test_fetchdf_and_read_give_the_rows_of_the_session(project: MeshProject, context: Any) -> None:
    """Stock SQLMesh, a notebook and `lake sql` mean the same by one name, as any kind of frame."""
    frame = context.fetchdf(f"SELECT g, n FROM lake.{project.name}.shown ORDER BY g")
    name = f"lake.{project.name}.shown"
    arrow = lake.read(name, project=project.project)
    assert sorted(arrow["g"].to_pylist()) == frame["g"].tolist()
    assert set(lake.read(name, to="pandas", project=project.project)["n"]) == {1}
    polars = lake.read(name, to="polars", columns=["n"], where="g > 0", project=project.project)
    assert (polars.columns, polars.height) == (["n"], 2)


def test_time_travel_shows_what_readers_saw_and_never_the_half_of_a_publish(
    project: MeshProject, context: Any
) -> None:
    """By version and by moment, through the view; at every moment of the past one of the published states."""
    schema, table = project.physical(context, "counts")
    project.sql("UPDATE {raw}.s SET v = v + 100")
    project.plan(context, restate_models=[f"{project.name}.counts"])
    state = load_table(open_catalog(project.settings), TableName(schema=schema, name=table))
    assert state is not None
    past = published(state)
    snapshots = state.handle.metadata.snapshots
    assert len(snapshots) > len(past), "a publish adds a snapshot that nobody was to see"
    name = f"{project.name}.counts"
    totals = {int(entry.id): _total(project, name, int(entry.id)) for entry in past}
    assert {36, 936} <= set(totals.values())
    for snapshot in snapshots:
        moment = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
        seen = [int(entry.id) for entry in past if entry.at <= moment]
        if seen:
            assert _total(project, name, moment) == totals[seen[-1]]
    with pytest.raises(BadInputError, match="its versions begin at"):
        _total(project, name, past[0].at - timedelta(seconds=1))
    with pytest.raises(BadInputError, match=rf"{project.name}\.shown is computed"):
        lake.read(f"{project.name}.shown", as_of=past[-1].at, project=project.project)
    old, new = int(past[-2].id), int(past[-1].id)
    with open_session(project.settings) as session:
        both = session.query(
            f"SELECT SUM(n.v - o.v) AS gained FROM {name} AS o AT (VERSION => {old})"
            f" JOIN {name} AS n AT (VERSION => {new}) USING (g)"
        )
    assert both.to_pylist() == [{"gained": totals[new] - totals[old]}]


def _total(project: MeshProject, name: str, as_of: int | datetime) -> int:
    rows = lake.read(name, as_of=as_of, project=project.project)
    return sum(rows["v"].to_pylist())


READER = """
import sys
from lake.mesh.session import open_session
from lake.settings import Project, load_settings
from pathlib import Path
with open_session(load_settings(project=Project(root=Path(sys.argv[1])))) as session:
    for line in sys.stdin:
        print(session.query(line.strip()).column_names, flush=True)
"""


def test_another_process_sees_a_promotion_at_its_next_query(project: MeshProject, context: Any) -> None:
    """It was started before, and has asked for the very view before."""
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(project.project.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None

    def ask() -> str:
        reader.stdin.write(f"SELECT * FROM {project.name}.counts\n")  # type: ignore[union-attr]
        reader.stdin.flush()  # type: ignore[union-attr]
        return reader.stdout.readline().strip()  # type: ignore[union-attr]

    try:
        assert ask() == "['g', 'v']"
        project.model("counts", "kind FULL", COUNTS.replace("AS v FROM", "AS v, MAX(v)::BIGINT AS top FROM"))
        context.load()
        project.plan(context, "dev_next")
        assert ask() == "['g', 'v']"
        project.plan(context)
        assert ask() == "['g', 'v', 'top']"
    finally:
        reader.stdin.close()
        reader.wait(timeout=60)
        reader.stdout.close()


def test_a_name_that_is_nothing_is_refused(project: MeshProject, context: Any) -> None:
    """With what to write instead, before a service is asked."""
    with pytest.raises(BadInputError, match=r"write schema\.name"):
        lake.read("counts", project=project.project)
    with pytest.raises(BadInputError, match="no moment"):
        lake.read(f"{project.name}.counts", as_of="yesterday", project=project.project)


def moments(project: MeshProject, expression: str) -> Any:
    with open_session(project.settings) as session:
        return session.query(
            f"SELECT COUNT(*) AS n FROM {project.name}.counts AT (TIMESTAMP => {expression})"
        )


def test_a_moment_may_be_computed_and_must_be_one(project: MeshProject, context: Any) -> None:
    """`now() - INTERVAL …` is a moment; a word is none."""
    assert moments(project, "now() + INTERVAL 1 DAY").to_pylist() == [{"n": 3}]
    for wrong in ("'soon'", "NULL", "g"):
        with pytest.raises(BadInputError, match="no moment"):
            moments(project, wrong)

"""`lake plan`, `lake diff` and `lake env` on a real project: stock SQLMesh, and what it meant."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from lake.control import Result, read_acts
from lake.errors import BadInputError, RefusedError
from lake.mesh.context import WarmContext
from lake.mesh.diffing import diff_environments
from lake.mesh.planning import plan_environment
from lake.mesh.running import run_environment
from lake.mesh.summary import ColumnChange, How, PlanSummary
from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_planning")]

DAILY = (
    "kind INCREMENTAL_BY_TIME_RANGE (time_column day, batch_size 4), partitioned_by (month(day)), grain day"
)
DAYS = 10
SYNC = """\
sync: tell
description: Tells.
owner: me
model: lake.{me}.daily
key: day
fields: {{total: v}}
destination: {{type: http_batch, url: http://127.0.0.1:1, upsert: /u, delete: /d, read: /r}}
"""


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a git repository with a project: a model by day, a FULL one on it, a sync that reads the first."""
    with mesh_project(tmp_path_factory.mktemp("planning"), stack) as project:
        project.sql(
            f"CREATE TABLE {{raw}}.s AS SELECT DATE '2026-01-01' + (i % {DAYS})::INT AS day, i::BIGINT AS v"
            " FROM range(100) r(i)"
        )
        write(project, "v::BIGINT AS v")
        project.model("total", "kind FULL, grain days", "SELECT COUNT(*)::BIGINT AS days FROM {me}.daily")
        activation = project.project.root / "models" / "activation"
        activation.mkdir()
        (activation / "tell.sync.yaml").write_text(SYNC.format(me=project.name), encoding="utf-8")
        subprocess.run(
            ["git", "init", "-b", "tiers"], cwd=project.project.root, check=True, capture_output=True
        )
        yield project


def write(project: MeshProject, column: str) -> None:
    project.model(
        "daily",
        DAILY,
        "SELECT s.day::DATE AS day, " + column.replace("v::", "SUM(s.v)::") + " FROM {raw}.s AS s"
        " WHERE s.day BETWEEN @start_date AND @end_date GROUP BY s.day",
    )


@pytest.fixture(scope="module")
def warm(project: MeshProject) -> Iterator[WarmContext]:
    """Give the project planned to prod on a Context that stays."""
    warm = WarmContext(project.project)
    applied = plan(warm, project, "prod", "--auto-apply", "--execution-time", f"2026-01-{DAYS + 1:02d}")
    assert applied.applied
    yield warm
    warm.close()


def plan(warm: WarmContext, project: MeshProject, *arguments: str) -> PlanSummary:
    summary = plan_environment(warm, project.settings, [*arguments, "--skip-tests"], quiet=True)
    with warm.use() as context:
        context.engine_adapter.runtime.history.flush()
    return summary


def test_a_plan_is_summed_up_by_model_with_its_cost_and_its_readers(
    project: MeshProject, warm: WarmContext
) -> None:
    """Columns, category, batches, rows from the model's own past; explained, nothing is applied."""
    write(project, "v::BIGINT AS v, COUNT(*)::BIGINT AS n")
    summary = plan(warm, project, "dev_cost", "--explain", "--execution-time", f"2026-01-{DAYS + 1:02d}")
    daily, total = summary.models
    assert (daily.model, daily.how) == (f"{project.name}.daily", How.MODIFIED)
    assert daily.columns == (ColumnChange(column="n", before="", after="BIGINT"),)
    assert (daily.category, daily.batches, daily.rows) == ("non breaking", 3, DAYS)
    assert daily.seconds
    assert (total.model, total.how, total.batches) == (f"{project.name}.total", How.INDIRECT, 0)
    assert not summary.applied
    assert [(a.reader, a.model) for a in summary.affected] == [("sync tell", f"{project.name}.daily")]
    with warm.use() as context:
        assert context.state_reader.get_environment("dev_cost") is None


def test_the_difference_of_every_changed_model_is_counted(
    project: MeshProject, warm: WarmContext, caplog: pytest.LogCaptureFixture
) -> None:
    """By stock table_diff: a new column, changed rows; models that did not change cost nothing."""
    write(project, "v::BIGINT + 0 AS v, COUNT(*)::BIGINT AS n")
    write(project, "v::BIGINT AS v, COUNT(*)::BIGINT AS n")
    applied = plan(warm, project, "dev_rows", "--auto-apply", "--execution-time", f"2026-01-{DAYS + 1:02d}")
    assert applied.applied
    [found] = diff_environments(warm, source="prod", target="dev_rows", quiet=True)
    assert [r for r in caplog.records if "Executing SQL" in r.getMessage()] == []
    assert (found.model, found.columns_added, found.equal) == (f"{project.name}.daily", ("n",), DAYS)
    with pytest.raises(BadInputError, match="no environment dev_nowhere"):
        diff_environments(warm, source="prod", target="dev_nowhere", quiet=True)


def test_what_sqlmesh_refuses_is_refused_with_its_reason(project: MeshProject, warm: WarmContext) -> None:
    """The console that shows nothing does not lose why a model failed; unknown options are named."""
    project.model("bad", "kind FULL, grain x", "SELECT (1 / 'a'::INT)::INT AS x")
    with pytest.raises(RefusedError, match=r"(?s)Plan application failed.*Could not convert string 'a'"):
        plan(warm, project, "dev_bad", "--auto-apply")
    (project.project.root / "models" / "bad.sql").unlink()
    with pytest.raises(BadInputError, match="--no-such-option"):
        plan(warm, project, "dev_bad", "--no-such-option")


def lake(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done.output


def test_the_commands_work_for_the_branch_that_is_checked_out(
    project: MeshProject, warm: WarmContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Environment, stock plan with its sum and page, list, diff and drop; each change is in the audit log."""
    monkeypatch.chdir(project.project.root)
    assert lake("env").strip() == "dev_tiers"
    page = tmp_path / "plan.md"
    arguments = (
        "--auto-apply",
        "--skip-tests",
        "--execution-time",
        f"2026-01-{DAYS + 1:02d}",
        "--summary-file",
        str(page),
    )
    told = lake("plan", *arguments)
    assert "Virtual layer updated" in told, "stock SQLMesh speaks first"
    assert "plan applied to dev_tiers: 2 models\n" in told, "built in another environment already"
    assert "Plan for `dev_tiers`" in page.read_text(encoding="utf-8")
    listed = {e["name"]: e for e in json.loads(lake("env", "list", "--json"))}
    assert listed["prod"]["expires_at"] is None
    assert listed["dev_tiers"]["expires_at"] is not None
    assert (listed["dev_tiers"]["views"], listed["dev_tiers"]["built"]) == (2, 1)
    assert json.loads(lake("diff", "--json"))[0]["columns_added"] == ["n"]
    lake("env", "drop", "--reason", "merged")
    assert "dev_tiers" not in lake("env", "list", "--json")
    acts = {(act.act, act.target, act.reason) for act in read_acts(project.settings.postgres)}
    assert {("plan", "dev_tiers", ""), ("env.drop", "dev_tiers", "merged")} <= acts


def test_a_run_is_summed_up_by_model_and_says_when_nothing_was_due(
    project: MeshProject, warm: WarmContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time, rows and seconds of what a day made due; stock options pass."""
    project.sql("INSERT INTO {raw}.s VALUES (DATE '2026-01-11', 7)")
    summary = run_environment(warm, project.settings, ["prod", "--end", "2026-01-11"], quiet=True)
    daily = next(m for m in summary.models if m.model.endswith("daily"))
    assert (daily.rows, daily.builds, daily.result, summary.failed) == (1, 1, Result.SUCCEEDED, ())
    assert f"{daily.start:%d} to {daily.end:%d}" == "11 to 12"
    monkeypatch.chdir(project.project.root)
    assert "run of prod: nothing to do" in lake("run", "prod", "--end", "2026-01-11")
    told = json.loads(lake("run", "prod", "--end", "2026-01-11", "--json"))
    assert (told["ended"], told["models"], told["rows"]) == ("nothing to do", [], 0)
    with pytest.raises(BadInputError, match="no environment dev_nowhere"):
        run_environment(warm, project.settings, ["dev_nowhere"], quiet=True)


def test_a_run_whose_model_fails_names_it_and_the_next_run_heals(
    project: MeshProject, warm: WarmContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sum that no longer fits its type: the reason stands in the summary, the command is refused."""
    project.sql("INSERT INTO {raw}.s SELECT DATE '2026-01-12', 9223372036854775807 FROM range(2)")
    monkeypatch.chdir(project.project.root)
    arguments = ["run", "prod", "--end", "2026-01-12"]
    with pytest.raises(RefusedError, match=rf"{project.name}\.daily"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    project.sql("UPDATE {raw}.s SET v = 1 WHERE day = DATE '2026-01-12'")
    told = json.loads(lake(*arguments, "--json"))
    assert {(m["model"].split(".")[1], m["result"], m["rows"]) for m in told["models"]} == {
        ("daily", "succeeded", 1),
        ("total", "succeeded", 1),
    }


def test_prod_and_what_does_not_exist_are_not_dropped(
    project: MeshProject, warm: WarmContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the message happens."""
    monkeypatch.chdir(project.project.root)
    for name, error in (("prod", RefusedError), ("dev_nowhere", BadInputError)):
        with pytest.raises(error):
            CliRunner().invoke(cli, ["env", "drop", name], catch_exceptions=False)


def test_an_expired_environment_goes_with_the_janitor(project: MeshProject, warm: WarmContext) -> None:
    """Its views and its record; prod stays."""
    from lake.mesh.environments import clean_up, list_environments

    with warm.use() as context:
        context.state_sync.invalidate_environment("dev_rows")
    assert clean_up(warm) == ("dev_rows",)
    assert "prod" in {environment.name for environment in list_environments(warm)}

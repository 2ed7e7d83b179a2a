"""SQLMesh's CI bot on a pull request: an environment of its own, a plan to read, a deployment by a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.mesh.session import open_session
from lake.settings import Settings
from tests.fakes.github import FakeGithub, fake_github
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_cicd")]

BOT = """
cicd_bot:
  type: github
  enable_deploy_command: true
  merge_method: squash
  skip_pr_backfill: false
  auto_categorize_changes: {sql: full}
"""
# The stock command, once per event; its client would wait a second between any two writes.
STOCK = """
import os, sys
import github
from sqlmesh.cicd.bot import bot
waits = github.Github.__init__.__defaults__
github.Github.__init__.__defaults__ = tuple(None if isinstance(w, float) else w for w in waits)
root, *events = sys.argv[1:]
for event in events:
    os.environ["GITHUB_EVENT_PATH"] = event
    bot(["-p", root, "github", "--token", os.environ["TOKEN"], "run-all"], standalone_mode=False)
"""
QUERY = "SELECT (i % 3)::INT AS g, COUNT(*)::BIGINT AS n{more} FROM {{raw}}.s GROUP BY g"


@pytest.fixture
def project(stack: Settings, tmp_path: Path) -> Iterator[MeshProject]:
    """Give a project that is planned to prod, with a change to a model that isn't."""
    with mesh_project(tmp_path / "project", stack) as project:
        config = project.project.root / "config.yaml"
        config.write_text(config.read_text(encoding="utf-8") + BOT, encoding="utf-8")
        project.sql("CREATE TABLE {raw}.s AS SELECT i::INT AS i FROM range(9) r(i)")
        project.model("counts", "kind FULL", QUERY.format(more=""))
        context = project.context()
        project.plan(context)
        context.close()
        project.model("counts", "kind FULL", QUERY.format(more=", MAX(i)::INT AS top"))
        yield project


def run(project: MeshProject, github: FakeGithub, *events: dict[str, Any]) -> str:
    """Let the stock bot see events, as a GitHub workflow would; return what it wrote for later steps."""
    folder = project.project.root.parent
    paths = [folder / f"event-{number}.json" for number in range(len(events))]
    for path, event in zip(paths, events, strict=True):
        path.write_text(json.dumps(event), encoding="utf-8")
    output = folder / "output"
    environment = {
        **os.environ,
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": github.url,
        "GITHUB_GRAPHQL_URL": f"{github.url}/graphql",
        "GITHUB_OUTPUT": str(output),
        "TOKEN": github.token,
    }
    child = subprocess.run(
        [sys.executable, "-c", STOCK, str(project.project.root), *map(str, paths)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert child.returncode == 0, f"{child.stdout[-4000:]}\n{child.stderr[-4000:]}"
    return output.read_text(encoding="utf-8")


def test_the_bot_plans_a_pull_request_and_deploys_it_when_it_is_told_to(project: MeshProject) -> None:
    """A comment and checks say what changes, prod stays; after `/deploy` prod has it and it is merged."""
    name = project.name
    with fake_github() as github, open_session(project.settings) as session:
        told = run(project, github, github.opened())
        assert "pr_environment_name=shop_7" in told
        assert github.conclusions() == {
            "Run Unit Tests": "success",
            "PR Environment Synced": "success",
            "Prod Plan Preview": "success",
            "Prod Environment Synced": "skipped",
        }
        preview = github.checks["SQLMesh - Prod Plan Preview"][-1]["output"]["summary"]
        assert f"{name}.counts" in preview
        [comment] = github.comments.values()
        assert "shop_7" in comment
        assert session.query(f"SELECT * FROM {name}.counts").column_names == ["g", "n"]
        changed = session.query(f"SELECT * FROM {name}.counts", environment="shop_7")
        assert changed.column_names == ["g", "n", "top"]

        run(project, github, github.commented("what is this?"), github.commented("/deploy"))
        assert github.conclusions()["Prod Environment Synced"] == "success"
        assert github.merged == "squash"
        assert session.query(f"SELECT * FROM {name}.counts").column_names == ["g", "n", "top"]

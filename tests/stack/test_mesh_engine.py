"""DuckDB on the lake: what a session gives to every query."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmesh.core import constants

from lake.mesh.engine import open_engine
from lake.mesh.runtime import Services
from lake.settings import Project, Settings

pytestmark = pytest.mark.stack


def test_a_query_that_needs_more_than_its_memory_uses_the_disk(stack: Settings, tmp_path: Path) -> None:
    """In a project that has no folder for that yet."""
    small = stack.engine.model_copy(update={"memory_limit": "60MB", "threads": 1})
    engine = open_engine(stack.model_copy(update={"engine": small, "project_root": tmp_path}))

    found = engine.execute(
        "SELECT count(*) FROM (SELECT DISTINCT hash(i) FROM range(4000000) r(i))"
    ).fetchall()

    assert found == [(4_000_000,)]
    assert (tmp_path / ".lake" / "tmp" / "duckdb").is_dir()
    assert (tmp_path / ".lake" / "tmp").stat().st_mode & 0o077 == 0
    engine.close()


def test_nothing_forks_any_more_once_duckdb_has_threads(
    stack_project: Project, stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork of a process with threads may wait for ever for one that it hasn't."""
    monkeypatch.setattr(constants, "MAX_FORK_WORKERS", 4)

    Services(stack_project).open_connection().close()

    assert constants.MAX_FORK_WORKERS == 1

"""Every acknowledged commit is in the table: writers at once, on each catalog, by each client."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest

from lake.catalog.open import open_catalog
from lake.catalog.tables import load_table
from lake.mesh.engine import open_engine
from lake.settings import Settings
from lake.types import TableName

pytestmark = pytest.mark.real

WRITERS, COMMITS = 4, 25
WRITER = "tests/real/writer.py"


@pytest.fixture(params=["seaweedfs", "apache"])
def settings(request: pytest.FixtureRequest, stack: Settings) -> Settings:
    """Give the settings of each catalog in turn."""
    return stack if request.param == "seaweedfs" else request.getfixturevalue("apache")


@pytest.mark.parametrize("client", ["duckdb", "pyiceberg"])
def test_no_acknowledged_commit_of_several_writers_is_lost(settings: Settings, client: str) -> None:
    """Four processes commit 25 times each, trying again after a conflict: 100 rows, each once."""
    name = TableName(schema=f"w{uuid.uuid4().hex[:8]}", name="t")
    with open_engine(settings) as engine:
        engine.execute(f"CREATE SCHEMA lake.{name.schema}")
        engine.execute(f"CREATE TABLE {name.quoted} (id BIGINT)")
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.real.writer", client, name.schema, str(number), str(COMMITS)],
            env={"LAKEMESH_PROJECT_ROOT": str(settings.project_root), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    said = [writer.communicate(timeout=600) for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * WRITERS, said
    acknowledged = sorted(int(line) for out, _ in said for line in out.split())
    with open_engine(settings, read_only=True) as engine:
        found = [row[0] for row in engine.execute(f"SELECT id FROM {name.quoted} ORDER BY id").fetchall()]
    assert acknowledged == list(range(WRITERS * COMMITS))
    assert found == acknowledged
    state = load_table(open_catalog(settings), name)
    assert state is not None
    assert state.rows == WRITERS * COMMITS

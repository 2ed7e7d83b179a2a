"""`lake` and stock `sqlmesh` read environment and `.env` alike, or they would work on two lakes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmesh.core.config import Config
from sqlmesh.core.config.loader import load_configs

from lake.settings import Project, load_settings

NAME = "LAKE_BROKER__CLUSTER"
CONFIG = (
    "gateways: {lake: {connection: {type: duckdb}}}\n"
    "model_defaults: {dialect: duckdb}\n"
    f"project: \"{{{{ env_var('{NAME}', 'lakemesh') }}}}\"\n"
)
LINES = st.sampled_from(
    [
        f"{NAME}=plain",
        f"export {NAME}=exported",
        f"{NAME}='single quoted # no comment'",
        f'{NAME}="double quoted"',
        f"{NAME}=value # comment",
        f"# {NAME}=commented",
        f"{NAME} = spaced",
        f"{NAME}=a=b",
        f"{NAME}=${{OTHER}}-suffix",
        f"{NAME}=${{MISSING:-default}}",
        "OTHER=other",
        f"{NAME}=last wins",
    ]
)


def as_sqlmesh(folder: Path, environment: dict[str, str]) -> str:
    """Return the value as stock SQLMesh sees it in its configuration; the environment is put back."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return load_configs(None, Config, [folder], sqlmesh_path=folder / "nowhere")[folder].project
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def as_lake(folder: Path, environment: dict[str, str]) -> str:
    """Return the value as our settings see it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings(project=Project(root=folder)).broker.cluster


@pytest.mark.parametrize(("environment", "dotenv", "expected"), [
    ({}, "", "lakemesh"),
    ({NAME: "shell"}, "", "shell"),
    ({}, f"{NAME}=file\n", "file"),
    ({NAME: "shell"}, f"{NAME}=file\n", "file"),
])  # fmt: skip
def test_dotenv_wins_over_the_environment_in_both(tmp_path, environment, dotenv, expected):
    """SQLMesh loads `.env` over the environment, so we do too."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / ".env").write_text(dotenv)

    assert as_sqlmesh(tmp_path, environment) == expected
    assert as_lake(tmp_path, environment) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(lines=st.lists(LINES, max_size=4), shell=st.none() | st.just("shell"))
@example(lines=["OTHER=other", f"{NAME}=${{OTHER}}-suffix"], shell="shell")
def test_every_way_to_write_a_line_is_read_alike(tmp_path, lines, shell):
    """Quotes, comments, `export`, spaces, repetition and references resolve to the same value."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / ".env").write_text("\n".join(lines) + "\n")
    environment = {} if shell is None else {NAME: shell}

    assert as_lake(tmp_path, environment) == as_sqlmesh(tmp_path, environment)

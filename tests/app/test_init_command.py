"""`lake init`: what it lays down works, and it never overwrites."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.starter import lay_out
from lake.errors import BadInputError
from tests.fakes.commands import run_command


def test_a_new_project_passes_its_own_checks(tmp_path):
    """Contracts are valid, external models match them, the model's test and the linter pass."""
    made = CliRunner().invoke(cli, ["init", str(tmp_path / "shop")])
    assert made.exit_code == 0, made.output

    for command in ("lake contract check", "sqlmesh test", "sqlmesh lint", "sqlmesh format --check"):
        done = run_command(*command.split(), folder=tmp_path / "shop", environment=os.environ)
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("present", ["notes.txt", ".git"])
def test_a_folder_that_holds_something_is_left_alone(tmp_path, present):
    """One file is enough to refuse, a hidden one too; nothing is written beside it."""
    (tmp_path / present).touch()

    with pytest.raises(BadInputError, match=present):
        lay_out(tmp_path)

    assert [p.name for p in tmp_path.iterdir()] == [present]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    """A file is no folder, and stays what it is."""
    place = tmp_path / "shop"
    place.write_text("mine")

    with pytest.raises(BadInputError, match="is a file"):
        lay_out(place)

    assert place.read_text() == "mine"

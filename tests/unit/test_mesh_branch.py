"""A branch's environment: valid, stable, of one branch only; prod never by accident."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lake.errors import ConfigurationError
from lake.mesh.branch import Checkout, current_environment, environment_of, read_checkout
from lake.settings import EnvironmentSettings
from lake.types import TableName

DEFAULT = EnvironmentSettings()


def name(branch: str, settings: EnvironmentSettings = DEFAULT) -> str:
    return environment_of(Checkout(branch=branch, commit="0123456789abcdef"), settings)


branches = st.text(min_size=1, max_size=120)
alike = st.text(alphabet="aA/-_.π0f", min_size=1, max_size=60)


@given(branches)
@example("prod")
@example("main")
def test_a_name_is_one_that_catalogs_accept_and_is_not_prod(branch: str) -> None:
    """Letters, digits and single underscores, short enough to stand behind a schema's name."""
    found = name(branch)
    assert TableName(schema=f"analytics__{found}", name="x").schema.endswith(found)
    assert found.startswith("dev_")
    assert "__" not in found
    assert len(found) <= 40
    assert found == name(branch), "the same each time"


@given(alike, alike)
@example("fix/tiers", "fix-tiers")
@example("Tiers", "tiers")
@example("x" * 50, "x" * 51)
@example("fix/tiers", name("fix/tiers").removeprefix("dev_"))
def test_two_branches_never_share_an_environment(one: str, other: str) -> None:
    """Not even one that is called as another's environment."""
    assert (name(one) == name(other)) == (one == other)


@pytest.mark.parametrize(
    ("branch", "expected"),
    [("tiers", "dev_tiers"), ("my_branch_2", "dev_my_branch_2"), ("main", "dev_main"), ("prod", "dev_prod")],
)
def test_a_plain_name_stays_as_it_is(branch: str, expected: str) -> None:
    """No digest where nothing was changed."""
    assert name(branch) == expected


def test_prod_is_the_environment_of_the_branch_that_the_settings_name() -> None:
    """Of that one and of no other; the settings also name the branch where git can't."""
    settings = EnvironmentSettings(prod_branch="main")
    assert name("main", settings) == "prod"
    assert name("Main", settings).startswith("dev_main_")
    assert name("", EnvironmentSettings(branch="feature", prod_branch="main")) == "dev_feature"
    assert current_environment(Path("/nowhere"), EnvironmentSettings(branch="feature")) == "dev_feature"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_git_says_what_is_checked_out(tmp_path: Path) -> None:
    """A new repository, a branch with odd characters, a worktree's subfolder and a detached HEAD."""
    git(tmp_path, "init", "-b", "main")
    assert read_checkout(tmp_path) == Checkout(branch="main", commit="")
    git(tmp_path, "commit", "--allow-empty", "-m", "x")
    git(tmp_path, "switch", "-c", "fix/ünï-code")
    below = tmp_path / "models"
    below.mkdir()
    checkout = read_checkout(below)
    assert checkout.branch == "fix/ünï-code"
    git(tmp_path, "switch", "--detach")
    detached = read_checkout(tmp_path)
    assert detached == Checkout(branch="", commit=checkout.commit)
    assert environment_of(detached, DEFAULT) == f"dev_at_{checkout.commit[:12]}"


def test_where_no_git_is_the_message_says_how_to_name_an_environment(tmp_path: Path) -> None:
    """No silent default: it might be somebody else's."""
    with pytest.raises(ConfigurationError, match="no git repository") as raised:
        read_checkout(tmp_path)
    assert "LAKE_ENVIRONMENTS__BRANCH" in raised.value.hint

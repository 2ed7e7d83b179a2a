"""The workflow that the page shows is valid YAML and asks for settings and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from lake.settings import Project, load_settings
from tests.docs.test_commands import resolve

PAGE = Path(__file__).parents[2] / "docs" / "environments.md"


def workflow() -> dict:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if block.startswith("name: plan")]
    return yaml.safe_load(block)


def test_the_commands_of_the_workflow_exist():
    """The one that plans writes the file that the next step posts."""
    steps = [step["run"] for step in workflow()["jobs"]["plan"]["steps"] if "run" in step]
    [plan] = [step for step in steps if step.startswith("lake ")]
    resolve(shlex.split(plan)[1:])
    written = plan.split("--summary-file ")[1].split()[0]

    assert any(f"--body-file {written}" in step for step in steps)


def test_the_settings_of_the_workflow_exist(tmp_path):
    """A name that the settings don't know would be refused here as there."""
    (tmp_path / "config.yaml").touch()
    environment = {name: str(value) for name, value in workflow()["jobs"]["plan"]["env"].items()}
    settings = load_settings(environment=environment, project=Project(root=tmp_path))

    assert settings.environments.branch == "${{ github.head_ref }}"

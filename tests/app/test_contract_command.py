"""`lake contract`: what it prints, and that it notices stale external models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.contract import cli
from lake.errors import BadInputError, ConfigurationError, RefusedError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project with the repository's contracts and no external models yet."""
    (tmp_path / "config.yaml").write_text("project: test\n")
    folder = tmp_path / "ingest" / "contracts"
    folder.mkdir(parents=True)
    for path in (ROOT / "ingest" / "contracts").glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(cli, list(arguments))


def test_check_refuses_external_models_that_are_not_current(project: Path):
    """Missing, then written, then stale after a contract changed: exit code 5 and the command that helps."""
    missing = run("check")
    written = run("external", "--write")
    current = run("check")
    path = project / "ingest" / "contracts" / "products.yaml"
    path.write_text(path.read_text().replace("description: Product.", "description: An article."))
    stale = run("check")

    for refused in (missing, stale):
        assert isinstance(refused.exception, RefusedError)
        assert refused.exception.exit_code == 5
        assert refused.exception.hint == "lake contract external --write"
    assert (written.exit_code, current.exit_code) == (0, 0)
    count = len(list((project / "ingest" / "contracts").glob("*.yaml")))
    assert f"{count} contracts" in current.stdout


def test_check_names_the_line_that_is_wrong(project: Path):
    """A typing error in a file is exit code 3 with file, line and key."""
    path = project / "ingest" / "contracts" / "products.yaml"
    path.write_text(path.read_text().replace("version: 1.0.0", "verison: 1.0.0"))

    failed = run("check")

    assert isinstance(failed.exception, ConfigurationError)
    assert "products.yaml:5: verison: the standard has no key verison here; did you mean version?" in str(
        failed.exception
    )


def test_list_and_show_speak_json(project: Path):
    """All streams with owner and origin; one contract with fields and rules."""
    listed = json.loads(run("list", "--json").stdout)
    shown = json.loads(run("show", "demographics", "--json").stdout)

    assert {row["stream"]: row["origin"] for row in listed}["products"] == "retail/products"
    assert shown["fields"][0]["name"] == "household_id"
    assert {"kind": "enum", "path": "age"}.items() <= next(
        r for r in shown["rules"] if r["kind"] == "enum"
    ).items()


def test_show_of_an_unknown_stream_lists_the_known_ones(project: Path):
    """The message helps to find the right name."""
    failed = run("show", "product")

    assert isinstance(failed.exception, BadInputError)
    assert "known: campaign_descriptions" in str(failed.exception)

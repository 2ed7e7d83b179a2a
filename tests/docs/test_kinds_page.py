"""The page names every kind of model that SQLMesh has, and those that the tests of kinds build."""

from __future__ import annotations

import re
from pathlib import Path

from sqlmesh.core.model.kind import ModelKindName

from tests.stack.test_mesh_kinds import LACKING, MODELS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| (yes|refused) \| (yes|refused) \|$", PAGE, re.MULTILINE)
ELSEWHERE = {"EMBEDDED", "SEED", "EXTERNAL"}  # built by the same tests, without a header of their own there
ALIASES = {"SCD_TYPE_2", "DBT_CUSTOM"}  # of SCD_TYPE_2_BY_TIME; of materializations of dbt projects


def kinds(said: str) -> set[str]:
    return {
        word
        for name, *engines in ROWS
        if engines[0] == said
        for word in re.findall(r"\b[A-Z][A-Z_0-9]+[A-Z]\b", re.sub(r"`.*?`|materialized VIEW", "", name))
    }


def test_every_kind_of_sqlmesh_is_on_the_page() -> None:
    """A new one would be missing here."""
    assert kinds("yes") | kinds("refused") == {kind.value for kind in ModelKindName} - ALIASES


def test_the_page_promises_what_the_tests_build() -> None:
    """What works there and what is refused there."""
    built = {re.findall(r"kind (\w+)", header)[0] for header, *_ in MODELS.values()} | ELSEWHERE
    assert kinds("yes") == built
    assert kinds("refused") == {"MANAGED"}
    assert "kind MANAGED" in {header for header, _ in LACKING.values()}

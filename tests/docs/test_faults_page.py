"""The page of faults names tests that exist and run where it says, for each of the 32 rows."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<number>\d+) \|.*\| (?P<tests>[^|]*) \| (?P<places>[^|]*) \|$", re.MULTILINE)
ROWS = list(ROW.finditer((ROOT / "docs" / "faults.md").read_text(encoding="utf-8")))
QUOTED = re.compile(r"`([^`]+)`")


@cache
def module(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def places(test: str) -> list[str]:
    """Return where a test runs, by its markers; raises KeyError for one that does not exist."""
    path, name = test.split("::")
    tree = module(path)
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    marks = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    if any(mark.startswith("pytestmark") and "mark.real" in mark for mark in marks):
        return ["make test-real"]
    decorators = [ast.unparse(decorator) for decorator in found[name].decorator_list]
    if "pytest.mark.slow" in decorators:
        return ["make soak"]
    return ["make test", "make soak"] if any("mark.slow" in text for text in decorators) else ["make test"]


def test_every_fault_has_its_row():
    """All 32, in order."""
    assert [int(row["number"]) for row in ROWS] == list(range(1, 33))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["number"])
def test_a_fault_is_proved_by_tests_that_exist_where_the_page_says(row: re.Match[str]):
    """Each is found in its file, and its markers say where it runs; a row without a test says so."""
    tests = QUOTED.findall(row["tests"])
    if not tests:
        assert row["tests"].startswith("not covered, because")
        return
    found = {place for test in tests for place in places(test)}
    assert set(QUOTED.findall(row["places"])) == found


def test_a_test_that_does_not_exist_is_noticed():
    """The page can't name what nobody wrote."""
    with pytest.raises(KeyError):
        places("tests/docs/test_faults_page.py::test_that_nobody_wrote")

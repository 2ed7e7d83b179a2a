"""The tree is the architecture: sizes, rooms and habits that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("lake", "ingest", "app", "demo")
MAX_MODULE_LINES = 330
MAX_FUNCTION_LINES = 60


def modules(*folders: str) -> list[Path]:
    found = sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))
    assert found
    return found


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or 0) - first[0].lineno + 1


def test_a_module_can_be_read_in_one_sitting():
    """No module is longer than the budget."""
    long = {str(p.relative_to(ROOT)): n for p in modules(*PACKAGES)
            if (n := len(p.read_text(encoding="utf-8").splitlines())) > MAX_MODULE_LINES}  # fmt: skip

    assert long == {}


def test_a_function_fits_on_a_screen():
    """No function body is longer than the budget."""
    long = {f"{p.relative_to(ROOT)}:{f.name}": n for p in modules(*PACKAGES)
            for f in functions(p) if (n := body_lines(f)) > MAX_FUNCTION_LINES}  # fmt: skip

    assert long == {}


def test_no_room_is_called_after_nothing():
    """A folder or module is named by a noun of the field."""
    nameless = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}

    assert [p for p in modules(*PACKAGES) if p.stem in nameless or p.parent.name in nameless] == []


def test_only_settings_read_the_environment():
    """`os.environ` and `getenv` appear in lake.settings alone."""
    pattern = re.compile(r"\bos\.(environ|getenv)\b|\bfrom os import .*environ")
    readers = {str(p.relative_to(ROOT)) for p in modules("lake", "ingest", "app")
               if pattern.search(p.read_text(encoding="utf-8"))}  # fmt: skip

    assert {r for r in readers if not r.startswith("lake/settings/")} == set()


def imported_roots(path: Path) -> set[str]:
    roots: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            roots.add(node.module.split(".")[0])
    return roots


@pytest.mark.parametrize("folder", ["demo", "models", "macros", "audits", "linter", "signals"])
def test_source_systems_and_models_import_nothing_of_ours(folder: str):
    """SQLMesh hashes what models import, and the demo plays somebody else's systems."""
    guilty = [p for p in (ROOT / folder).rglob("*.py") if imported_roots(p) & {"lake", "ingest", "app"}]

    assert guilty == []


def test_package_fronts_only_re_export():
    """`__init__.py` holds a docstring, imports and `__all__` (which ruff sorts); `lake` loads lazily."""
    fronts = (p for p in modules("lake", "ingest", "app") if p.name == "__init__.py")
    for path in (p for p in fronts if p != ROOT / "lake" / "__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            assert isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.Expr), path


def test_no_error_is_swallowed():
    """A broad `except` re-raises or is at a process boundary and says why."""
    for path in modules(*PACKAGES):
        source = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(source))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            raises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
            explained = "#" in source[node.lineno - 1]
            assert not broad or raises or explained, f"{path}:{node.lineno}"


def test_every_constraint_is_pinned_and_names_no_place():
    """`constraints.txt` holds `name==version` lines and no address."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    assert len(lines) > 100
    assert all(re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+( ; .+)?$", line) for line in lines)


def test_every_dependency_is_pinned_by_the_constraints():
    """A package added to pyproject without `make constraints` is found."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [
        d for extra in project["optional-dependencies"].values() for d in extra
    ]
    names = {re.split(r"[\[=~<>; ]", d)[0].lower().replace("_", "-") for d in wanted}
    pinned = {
        line.split("==")[0].split("[")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }

    assert names - pinned == {"lakemesh"}  # an extra of our own holds others


@pytest.mark.xdist_group("groups")
def test_tests_of_a_group_share_a_worker(request: pytest.FixtureRequest):
    """Groups reach the scheduler: without them each worker would build every expensive fixture anew."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ

    assert alone or request.node.nodeid.endswith("@groups")

"""deploy/install.py: what it says when a tool is missing, and that it does its work once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give the module with a cache and a machine of the test's own: no JDK, no tool."""
    spec = importlib.util.spec_from_file_location("lakemesh_install", ROOT / "deploy" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(module, "JAVA_PLACES", ())
    monkeypatch.setattr(module, "TOOL_PLACES", ())
    return module


def _java(folder: Path, version: str) -> Path:
    """Write a program that says it were a JDK of that version."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_missing_jdk_is_named_and_fails(install, capsys):
    """Nothing is skipped: the exit code says so, the message what to install."""
    assert install.main(["trino"]) == 3

    said = capsys.readouterr().err
    assert "trino needs a JDK 24 or newer" in said
    assert "found: none" in said


def test_a_jdk_that_is_too_old_is_named(install, tmp_path, capsys):
    """The version found is the first thing that the reader wants to know."""
    path = _java(tmp_path, "17.0.15")

    assert install.main(["trino"]) == 3

    assert f"found: 17 ({path})" in capsys.readouterr().err


@pytest.mark.parametrize(("version", "number"), [("25.0.1", 25), ("24", 24), ("1.8.0_402", 8)])
def test_the_version_of_a_jdk_is_read(install, tmp_path, version, number):
    """Old ones call 8 1.8."""
    assert install._java_version(_java(tmp_path, version)) == number


def test_a_newer_jdk_elsewhere_is_taken(install, tmp_path, monkeypatch):
    """The default JDK may be older than what Trino needs."""
    _java(tmp_path, "17.0.15")
    newer = _java(tmp_path / "jvm" / "new", "25")
    monkeypatch.setattr(install, "JAVA_PLACES", (f"{tmp_path}/jvm/*/bin/java",))

    assert install.find_java("trino", 24) == str(newer)


@pytest.mark.parametrize(("name", "tool"), [("trino", "mvn"), ("kafka", "mvn"), ("minio", "go")])
def test_a_missing_tool_is_named(install, tmp_path, capsys, name, tool):
    """And nothing half installed stays behind."""
    _java(tmp_path, "25")

    assert install.main([name]) == 3

    assert f"{tool} is not on the PATH" in capsys.readouterr().err
    assert not (install.cache() / name).exists()


def test_every_missing_tool_is_told_at_once(install, capsys):
    """Somebody who installs three things wants one list."""
    assert install.main(["minio", "trino"]) == 3

    said = capsys.readouterr().err
    assert "go is not on the PATH" in said
    assert "JDK 24" in said


def test_a_server_is_installed_once_and_anew_when_its_recipe_changes(install, capsys, monkeypatch):
    """The second run only says where it is; a new version replaces the old one."""
    built = []

    def build(source, target):
        built.append(source)
        (target / "minio").write_text("program", encoding="utf-8")

    for version in ("v1", "v1", "v2"):
        recipe = install.Recipe(source=f"example.org/minio@{version}", java=0, build=build)
        monkeypatch.setitem(install.RECIPES, "minio", recipe)
        assert install.main(["minio"]) == 0

    assert built == ["example.org/minio@v1", "example.org/minio@v2"]
    assert "minio: installed in" in capsys.readouterr().out


def test_an_installation_that_breaks_leaves_nothing(install, monkeypatch):
    """A half-filled folder would count as installed for ever."""

    def build(source, target):
        (target / "half").touch()
        raise install.MissingError("the registry went away")

    monkeypatch.setitem(install.RECIPES, "minio", install.Recipe(source="x", java=0, build=build))

    assert install.main(["minio"]) == 3
    assert [path.name for path in install.cache().iterdir()] == ["minio.lock"]


def test_an_unknown_server_is_refused(install, capsys):
    """The usage lists what there is."""
    assert install.main(["oracle"]) == 2
    assert "trino" in capsys.readouterr().err

"""Which package brings which module: asked once, and again after anything was installed or removed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlmesh.core import context_diff

from lake.mesh.packages import InstalledPackages

stock: Any = vars(context_diff)["metadata"].packages_distributions
stock = getattr(stock, "__wrapped__", stock)


class Site:
    """A folder of packages that alone is on the import path; its time moves on with each change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = 0
        self._packages = InstalledPackages()
        self._ticks: Iterator[int] = count(10**9)

    def install(self, package: str, module: str) -> Path:
        described = self.folder / f"{package}-1.0.dist-info"
        described.mkdir(exist_ok=True)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (described / "top_level.txt").write_text(f"{module}\n")
        self.changed(described)
        return described

    def changed(self, *folders: Path) -> None:
        for folder in (self.folder, *folders):
            os.utime(folder, (next(self._ticks),) * 2)

    def read(self) -> Mapping[str, list[str]]:
        return self._packages.read(self._stock)

    def _stock(self) -> Mapping[str, list[str]]:
        self.asked += 1
        found: Mapping[str, list[str]] = stock()
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "not_there")])
    return Site(tmp_path)


def test_packages_are_read_once_while_nothing_is_installed(site: Site) -> None:
    """The second answer is the first one, and what a caller does to it stays the caller's own."""
    site.install("one", "first")

    answers = [site.read(), site.read()]
    answers[0]["first"].append("changed by its caller")

    assert answers[1] == site.read() == {"first": ["one"]}
    assert site.asked == 1


def test_a_package_that_comes_changes_or_goes_is_seen_at_the_next_plan(site: Site) -> None:
    """A new one, one described anew in place, one that is removed."""
    site.install("one", "first")
    assert site.read() == {"first": ["one"]}

    second = site.install("two", "second")
    assert site.read() == {"first": ["one"], "second": ["two"]}

    (second / "top_level.txt").write_text("other\n")
    os.utime(second, (1, 1))  # the file was put in place of the old one; the folder above is as it was
    assert site.read() == {"first": ["one"], "other": ["two"]}

    shutil.rmtree(second)
    site.changed()
    assert site.read() == {"first": ["one"]}
    assert site.asked == 4


def test_a_place_that_joins_the_import_path_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages don't change then, only where they are looked for."""
    assert site.read() == {}
    more = Site(site.folder / "more")
    more.folder.mkdir()
    more.install("three", "third")

    monkeypatch.setattr(sys, "path", [*sys.path, str(more.folder)])

    assert site.read() == {"third": ["three"]}

"""Which installed package provides which module: read once, and again when something was installed.

SQLMesh asks at every plan, and reads every package's list of files to know: more than half of what a
plan costs on a warm Context. As importlib does for the packages' names, times of folders say whether
the answer still holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

_INFO = (".dist-info", ".egg-info")

Packages = dict[str, list[str]]  # of a module's first name, the packages that bring it
Times = tuple[tuple[str, int], ...]


class InstalledPackages:
    """The answer of importlib for this process, and the state of the import path that it belongs to."""

    def __init__(self) -> None:
        self._reading = Lock()
        self._times: Times | None = None
        self._packages: Mapping[str, list[str]] = {}

    def read(self, stock: Callable[[], Mapping[str, list[str]]]) -> Packages:
        """Return what `stock` answers, a copy of the caller's own."""
        with self._reading:
            times = tuple(_times())  # before the packages: what changes meanwhile is read the next time
            if times != self._times:
                self._packages, self._times = stock(), times
            return {module: list(packages) for module, packages in self._packages.items()}


def _times() -> Iterator[tuple[str, int]]:
    """Yield when each folder of the import path last changed, and each package's description in it."""
    for place in sys.path:
        with suppress(OSError):  # a place that isn't there, or an archive, has nothing beneath it
            folder = Path(place)
            yield str(folder.absolute()), folder.stat().st_mtime_ns
            with os.scandir(folder) as entries:
                described = [(e.path, e.stat().st_mtime_ns) for e in entries if e.name.endswith(_INFO)]
            yield from sorted(described)

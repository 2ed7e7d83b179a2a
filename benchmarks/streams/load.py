"""What many commits leave behind: processor time of each, memory, open files, bytes of metadata."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import psutil
from pyarrow.fs import FileSelector

from benchmarks.sandbox import cpu
from ingest.report import Progress
from lake.catalog import LakeCatalog, load_table
from lake.catalog.storage import open_storage
from lake.types import TableName

_AROUND = 50  # commits before a mark whose mean counts


class Loads:
    """Looks at this process after so many commits; what the looking costs is not counted."""

    def __init__(self, catalog: LakeCatalog, stream: str, marks: Sequence[int]) -> None:
        self.found: list[dict[str, Any]] = []
        self._catalog = catalog
        self._table = TableName(schema=catalog.lake_settings.landing.raw_schema, name=stream)
        self._marks = set(marks)
        self._process = psutil.Process()
        self._before = cpu()
        self._spent: list[float] = []

    def observe(self, progress: Progress) -> None:
        """Take note of a commit."""
        now = cpu()
        self._spent.append(now - self._before)
        if progress.commits in self._marks:
            self.found.append({"commits": progress.commits, **self._look()})
            print(self.found[-1], file=sys.stderr, flush=True)  # a long run shows how far it is
        self._before = cpu()

    def _look(self) -> dict[str, float]:
        newest = self._spent[-_AROUND:]
        state = load_table(self._catalog, self._table)
        assert state is not None
        place = state.handle.metadata_location.removeprefix("s3://")
        storage = open_storage(self._catalog.lake_settings)
        files = storage.get_file_info(FileSelector(place.rsplit("/", 1)[0]))
        return {
            "milliseconds": 1000 * sum(newest) / len(newest),
            "rss": self._process.memory_info().rss / 2**20,
            "open": self._process.num_fds(),
            "document": storage.get_file_info(place).size / 1024,
            "stored": sum(file.size or 0 for file in files) / 2**20,
            "snapshots": len(state.handle.metadata.snapshots),
        }

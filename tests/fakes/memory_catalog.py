"""A catalog of tables in memory that compares and swaps as a real one, and misbehaves when told to."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import requests
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.partitioning import assign_fresh_partition_spec_ids
from pyiceberg.schema import assign_fresh_schema_ids
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import update_table_metadata

from lake.catalog import LakeCatalog
from lake.settings import Settings
from tests.fakes.killed import KilledError

Key = tuple[str, ...]


class Mishap(Enum):
    """What happens to one commit."""

    NONE = "it is applied and acknowledged"
    CRASH_BEFORE = "the process ends before it is sent"
    CRASH_AFTER = "the process ends before it hears the answer"
    LOST_BEFORE = "it never arrives, and nobody answers"
    LOST_AFTER = "it is applied, and nobody answers"
    REFUSED = "409, although nobody else committed"
    TWICE = "it is applied, sent again, and the second answer, 409, goes back"
    LATE = "nobody answers; it arrives after some other request"
    RIVAL = "another process lands everything first"
    CARE = "somebody adds an empty snapshot and expires all older ones first"


class MemoryCatalog(LakeCatalog):
    """Keeps the metadata of tables; data files and manifests are real files below `folder`.

    Each commit takes the next of `mishaps`; beyond them all goes well. `rival` is what `RIVAL` calls.
    """

    def __init__(
        self, settings: Settings, folder: Path
    ) -> None:  # no server: nothing of RestCatalog is set up
        self.lake_settings = settings
        self.name = "memory"
        self.properties = {}
        self._supported_endpoints = set()
        self.mishaps: list[Mishap] = []
        self.seen: list[Mishap] = []
        self.rival: Callable[[], None] = lambda: None
        self._folder = folder
        self._tables: dict[Key, TableMetadata] = {}
        self._late: list[Callable[[], object]] = []

    def create_namespace(self, namespace: Any, properties: Any = None) -> None:
        """Every namespace exists."""

    def create_table(self, identifier: Any, schema: Any, **given: Any) -> Table:
        if identifier in self._tables:
            raise TableAlreadyExistsError(str(identifier))
        fresh = assign_fresh_schema_ids(schema)
        spec = assign_fresh_partition_spec_ids(given["partition_spec"], schema, fresh)
        self._tables[identifier] = new_table_metadata(
            fresh,
            spec,
            UNSORTED_SORT_ORDER,
            f"file://{self._folder.joinpath(*identifier)}",
            given["properties"],
        )
        return self.load_table(identifier)

    def load_table(self, identifier: Any) -> Table:
        self._deliver()
        if identifier not in self._tables:
            raise NoSuchTableError(str(identifier))
        return Table(identifier, self._tables[identifier], "memory", PyArrowFileIO(), self)

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        self._deliver()
        mishap = self.mishaps.pop(0) if self.mishaps else Mishap.NONE
        self.seen.append(mishap)
        key = table.name()

        def apply() -> CommitTableResponse:
            present = self._tables[key]
            for requirement in requirements:
                requirement.validate(present)
            self._tables[key] = _parents_kept(present, update_table_metadata(present, tuple(updates)))
            return CommitTableResponse(metadata=self._tables[key], metadata_location="memory")

        return self._act(mishap, apply, key)

    def _act(self, mishap: Mishap, apply: Callable[[], CommitTableResponse], key: Key) -> CommitTableResponse:
        match mishap:
            case Mishap.CRASH_BEFORE:
                raise KilledError
            case Mishap.LOST_BEFORE:
                raise requests.ConnectionError
            case Mishap.REFUSED:
                raise CommitFailedException
            case Mishap.LATE:
                self._late.append(apply)
                raise requests.ConnectionError
            case Mishap.RIVAL:
                self._unharmed(self.rival)
            case Mishap.CARE:
                self._unharmed(lambda: self.care(key))
        answer = apply()
        match mishap:
            case Mishap.CRASH_AFTER:
                raise KilledError
            case Mishap.LOST_AFTER:
                raise requests.ConnectionError
            case Mishap.TWICE:
                return apply()
        return answer

    def _deliver(self) -> None:
        """Let what was late arrive; the second request after it was sent brings it."""
        late, self._late = self._late, []
        for apply in late:
            try:
                apply()
            except CommitFailedException:
                continue  # the catalog refuses it, and nobody waits for the answer

    def _unharmed(self, act: Callable[[], object]) -> None:
        """Let somebody else act meanwhile; the mishaps wait for us."""
        mishaps, self.mishaps = self.mishaps, []
        act()
        self.mishaps = mishaps

    def care(self, key: Key) -> None:
        """Do what table maintenance does: a snapshot without rows on top, all older ones forgotten."""
        table = self.load_table(key)
        if table.current_snapshot() is None:
            return
        with table.transaction() as change, change.update_snapshot().fast_append():
            pass
        present = self.load_table(key)
        head = present.current_snapshot()
        old = [s.snapshot_id for s in present.snapshots() if s.snapshot_id != head.snapshot_id]
        present.maintenance.expire_snapshots().by_ids(old).commit()


def _parents_kept(before: TableMetadata, after: TableMetadata) -> TableMetadata:
    """Let snapshots go on naming parents that have expired, as catalog servers do and pyiceberg does not."""
    known = {s.snapshot_id: s for s in before.snapshots}
    return after.model_copy(update={"snapshots": [known.get(s.snapshot_id, s) for s in after.snapshots]})

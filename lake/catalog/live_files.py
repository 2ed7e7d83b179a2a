"""The files behind main: data files, and how many of their rows position deletes have taken away.

Read from the manifests alone. Engines that write merge-on-read name the one data file of a delete
file in its bounds (Iceberg specification, "Position Delete Files"); a delete file that is for several
data files is counted for its whole partition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pyiceberg.manifest import DataFileContent, ManifestEntry, ManifestFile
from pyiceberg.table import Table

from lake.catalog.errors import mapped
from lake.catalog.tables import TableState

_PATH_FIELD = 2147483646  # the reserved field id of a delete file's `file_path`
_PARALLEL_READS = 4

PartitionKey = tuple[int, str]  # spec id, the partition's values as text


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFile:
    """A data file of main; `deletes` are the delete files that are for it alone."""

    path: str
    partition: PartitionKey
    rows: int
    bytes: int
    deleted: int = 0
    deletes: tuple[str, ...] = ()
    sequence: int = 0  # of the commit that added it

    @property
    def dead(self) -> bool:
        """Whether no row of it is left."""
        return self.deleted >= self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFiles:
    """What main consists of; `shared` are delete files for several data files, by partition."""

    files: tuple[LiveFile, ...]
    shared: dict[PartitionKey, tuple[str, ...]]
    equality: bool
    manifests: Sequence[tuple[ManifestFile, Sequence[ManifestEntry]]] = field(repr=False, compare=False)


def read_live_files(state: TableState) -> LiveFiles:
    """Read main's manifests; raises UnavailableError when the storage doesn't answer."""
    with mapped(f"read the manifests of {state.name}"):
        manifests = _read(state.handle)
    by_path: dict[str, list[ManifestEntry]] = defaultdict(list)
    shared: dict[PartitionKey, list[str]] = defaultdict(list)
    data: list[ManifestEntry] = []
    equality = False
    for _, entries in manifests:
        for entry in entries:
            match entry.data_file.content:
                case DataFileContent.DATA:
                    data.append(entry)
                case DataFileContent.EQUALITY_DELETES:
                    equality = True
                case _ if (target := _only_target(entry)) is not None:
                    by_path[target].append(entry)
                case _:
                    shared[_partition(entry)].append(entry.data_file.file_path)
    return LiveFiles(
        files=tuple(_live(entry, by_path[entry.data_file.file_path]) for entry in data),
        shared={key: tuple(paths) for key, paths in shared.items()},
        equality=equality,
        manifests=manifests,
    )


def _read(table: Table) -> list[tuple[ManifestFile, list[ManifestEntry]]]:
    head = table.current_snapshot()
    if head is None:
        return []
    live = [m for m in head.manifests(table.io) if m.has_added_files() or m.has_existing_files()]
    with ThreadPoolExecutor(_PARALLEL_READS, "manifests") as pool:
        return list(zip(live, pool.map(lambda m: m.fetch_manifest_entry(table.io), live), strict=True))


def _live(entry: ManifestEntry, deletes: Iterable[ManifestEntry]) -> LiveFile:
    own = tuple(deletes)
    return LiveFile(
        path=entry.data_file.file_path,
        partition=_partition(entry),
        rows=entry.data_file.record_count,
        bytes=entry.data_file.file_size_in_bytes,
        deleted=sum(delete.data_file.record_count for delete in own),
        deletes=tuple(delete.data_file.file_path for delete in own),
        sequence=entry.sequence_number or 0,
    )


def _partition(entry: ManifestEntry) -> PartitionKey:
    return entry.data_file.spec_id, repr(entry.data_file.partition)


def _only_target(entry: ManifestEntry) -> str | None:
    """Return the one data file that a position delete file is for; None when its bounds don't tell."""
    low = (entry.data_file.lower_bounds or {}).get(_PATH_FIELD)
    high = (entry.data_file.upper_bounds or {}).get(_PATH_FIELD)
    return low.decode() if low is not None and low == high else None

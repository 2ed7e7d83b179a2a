"""The files of a table in storage, and those that its metadata reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyarrow.fs import FileSelector
from pyiceberg.io.pyarrow import PyArrowFileIO

from lake.catalog.errors import mapped
from lake.catalog.open import LakeCatalog
from lake.catalog.tables import TableState
from lake.errors import ConfigurationError

_FOLDERS = ("data", "metadata")
_OURS = (".parquet", ".avro", ".metadata.json", ".puffin", ".stats")
_REDIRECTED = ("write.data.path", "write.metadata.path", "write.object-storage.enabled")
_PARALLEL = 4
_SLASHES = re.compile("/+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in a table's folder; `modified_at` by the storage's clock."""

    path: str
    bytes: int
    modified_at: datetime


def stored_files(state: TableState) -> Iterator[StoredFile]:
    """Yield the files that engines write, in the table's data and metadata folders.

    Raises ConfigurationError for a table whose files may lie elsewhere, UnavailableError when storage
    doesn't answer.
    """
    if redirected := [name for name in _REDIRECTED if name in state.properties]:
        raise ConfigurationError(
            f"{state.name} writes its files elsewhere ({', '.join(redirected)}): they can't be listed",
            hint="remove them with the tool that set this property",
        )
    location = folder_of(state)
    io: Any = state.handle.io
    scheme, netloc, path = PyArrowFileIO.parse_location(location, io.properties)
    with mapped(f"list the files of {state.name}"):
        files = io.fs_by_scheme(scheme, netloc)
        for folder in _FOLDERS:
            found = files.get_file_info(
                FileSelector(f"{path}/{folder}", allow_not_found=True, recursive=True)
            )
            for info in found:
                if info.is_file and info.base_name.endswith(_OURS):
                    yield StoredFile(
                        path=plain_path(f"{location}{info.path.removeprefix(path)}"),
                        bytes=info.size,
                        modified_at=info.mtime,
                    )


def reachable_files(state: TableState) -> frozenset[str]:
    """Return every file that any snapshot or the metadata name, by its plain path; raises UnavailableError.

    Snapshots of all branches and tags count. A file that a manifest lists as deleted is reached only
    through the older snapshots that still have it.
    """
    table = state.handle
    metadata = table.metadata
    found = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    found |= {s.statistics_path for s in (*metadata.statistics, *metadata.partition_statistics)}
    found |= {s.manifest_list for s in metadata.snapshots}
    with mapped(f"read the manifests of {state.name}"), ThreadPoolExecutor(_PARALLEL, "manifests") as pool:
        lists = pool.map(lambda s: s.manifests(table.io), metadata.snapshots)
        manifests = {m.manifest_path: m for listed in lists for m in listed}
        found |= manifests.keys()
        for entries in pool.map(lambda m: m.fetch_manifest_entry(table.io), manifests.values()):
            found |= {entry.data_file.file_path for entry in entries}
    return frozenset(map(plain_path, found))


def plain_path(path: str) -> str:
    """Return a path in one spelling: engines write s3, s3a and doubled slashes for the same file."""
    scheme, _, rest = path.rpartition("://")
    return f"{'s3' if scheme in {'s3a', 's3n'} else scheme}://{_SLASHES.sub('/', rest)}"


def delete_files(state: TableState, paths: Iterable[str]) -> int:
    """Delete files for good and return how many there were; one that is gone already is no error."""
    count = 0
    with mapped(f"delete files of {state.name}"):
        for path in paths:
            try:
                state.handle.io.delete(path)
            except FileNotFoundError:
                continue
            count += 1
    return count


def folder_of(state: TableState) -> str:
    """Return the table's location without a slash at its end."""
    return state.handle.location().rstrip("/")


def folders(catalog: LakeCatalog) -> dict[str, str]:
    """Return the location of every table of the catalog, by its whole name."""
    found: dict[str, str] = {}
    with mapped("list all tables"):
        for namespace in catalog.list_namespaces():
            for identifier in catalog.list_tables(namespace):
                table = catalog.load_table(identifier)
                found[".".join(identifier)] = table.location().rstrip("/")
    return found

"""Find files by pattern or manifest, locally or on object storage, and name their versions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import pyarrow.fs as pafs

from ingest.extract.files.definition import FilesResource
from lake.catalog.storage import open_storage
from lake.errors import BadInputError, UnavailableError
from lake.settings import Settings

_S3 = "s3://"
_BLOCK = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One file: `name` as people write it, `key` by which it is known, `version` of its content."""

    name: str
    path: str  # on its file system
    key: str
    version: str
    store: pafs.FileSystem = field(repr=False, compare=False)

    def is_unchanged(self) -> bool:
        """Tell whether the file is still the one that was found."""
        info = self.store.get_file_info(self.path)
        return self.key == self.version or version_of(info) == self.version


def find_files(resource: FilesResource, settings: Settings, where: str) -> tuple[FoundFile, ...]:
    """Return the files of a resource by name; `where` is its path or manifest with variables filled in.

    Raises BadInputError for a manifest's file that isn't there, UnavailableError for storage.
    """
    try:
        names = _listed(where, settings) if resource.manifest else list(_matching(where, settings))
        return tuple(
            _found(name, settings, by_content=resource.identity == "content") for name in sorted(names)
        )
    except OSError as error:
        raise UnavailableError("files", f"{where}: {error}", hint="check the path; lake status") from error


def version_of(info: pafs.FileInfo) -> str:
    return _digest(f"{info.size}/{info.mtime_ns}".encode())


def _found(name: str, settings: Settings, *, by_content: bool) -> FoundFile:
    store, path = _locate(name, settings)
    info = store.get_file_info(path)
    if info.type != pafs.FileType.File:
        raise BadInputError(f"there is no file {name}", hint="check the path, or the manifest that names it")
    if by_content:
        key = _content(store, path)
        return FoundFile(name=f"{Path(path).name}@{key}", path=path, key=key, version=key, store=store)
    return FoundFile(name=name, path=path, key=_digest(name.encode()), version=version_of(info), store=store)


def _matching(pattern: str, settings: Settings) -> Iterator[str]:
    """Yield the names that match; `*` stays in a folder, `**` goes below, `.x` and `_x` are nobody's."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    if fixed == pattern:
        yield pattern
        return
    folder = fixed.rpartition("/")[0]
    store, base = _locate(folder or ".", settings)
    matches = re.compile(_expression(pattern))
    for info in store.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True)):
        rest = info.path[len(base) :].lstrip("/")
        name = f"{folder}/{rest}" if folder else rest
        hidden = any(part[0] in "._" for part in rest.split("/"))
        if info.type == pafs.FileType.File and not hidden and matches.fullmatch(name):
            yield name


def _expression(pattern: str) -> str:
    tokens = {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return "".join(tokens.get(part, re.escape(part)) for part in parts)


def _listed(manifest: str, settings: Settings) -> list[str]:
    store, path = _locate(manifest, settings)
    with store.open_input_stream(path) as stream:
        text = stream.read().decode()
    if not text.lstrip().startswith(("{", "[")):
        return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        document = json.loads(text)
        entries = document["files"] if isinstance(document, dict) else document
        return [entry if isinstance(entry, str) else entry["path"] for entry in entries]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise BadInputError(
            f"manifest {manifest} lists no files ({error})", hint='write {"files": [{"path": …}]}'
        ) from error


def _locate(name: str, settings: Settings) -> tuple[pafs.FileSystem, str]:
    if name.startswith(_S3):
        return open_storage(settings), name.removeprefix(_S3)
    return pafs.LocalFileSystem(), str((settings.project_root / name).resolve())


def _content(store: pafs.FileSystem, path: str) -> str:
    digest = blake2b(digest_size=8)
    with store.open_input_stream(path, compression=None) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()

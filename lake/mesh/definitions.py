"""The files that define a project's models, and one hash over what they hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

CONFIG = "config.yaml"
_FOLDERS = ("models", "external_models", "macros", "audits", "signals", "linter")
_SUFFIXES = {".sql", ".py", ".yaml", ".yml", ".csv"}
_TESTS = ("test*.yaml", "test*.yml")


def fingerprint(root: Path, *, salt: str = "") -> str:
    """Return a hash of names and content: the same files give the same hash, whenever they were written."""
    digest = hashlib.sha256(salt.encode())
    for path in definition_files(root):
        digest.update(f"\0{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def definition_files(root: Path) -> Iterator[Path]:
    """Yield the files that SQLMesh reads, by folder and name."""
    yield root / CONFIG
    for folder in _FOLDERS:
        for parent, _, names in sorted(os.walk(root / folder, followlinks=True)):
            yield from (Path(parent, name) for name in sorted(names) if Path(name).suffix in _SUFFIXES)
    for pattern in _TESTS:
        yield from sorted((root / "tests").rglob(pattern))

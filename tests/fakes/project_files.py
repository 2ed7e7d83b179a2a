"""The files of a project that a test lays out by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files by their paths, and the config.yaml that makes the folder a project."""
    for place, text in {"config.yaml": "project: test\n", **files}.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder

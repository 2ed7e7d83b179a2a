"""The `lake` command as people type it: a process of its own, in the project of a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lake.settings import Settings

LAKE = str(Path(sys.executable).parent / "lake")


def lake(settings: Settings, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    return subprocess.run(
        [LAKE, *words],
        cwd=settings.project_root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

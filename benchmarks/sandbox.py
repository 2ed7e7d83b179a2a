"""A stack of a benchmark's own, and parts of it measured in processes of their own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lake.control import migrate
from lake.settings import Project, Settings, load_settings
from lake.stack import start, stop

ROOT = Path(__file__).parents[1]


@contextmanager
def temporary_stack() -> Iterator[tuple[Project, Settings]]:
    """Yield an empty project whose services run, its database migrated; all of it goes with the block."""
    with tempfile.TemporaryDirectory(prefix="lakemesh-bench-") as folder:
        project = Project(root=Path(folder).resolve())
        (project.root / "config.yaml").touch()
        try:
            start(project)
            settings = load_settings(project=project)
            migrate(settings.postgres)
            yield project, settings
        finally:
            stop(project)


def start_child(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a module whose last line of output will be its figures as JSON."""
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE)


def result(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Wait for a child and return its figures; ends the benchmark when the child failed."""
    answer, _ = process.communicate()
    if process.returncode:
        sys.exit(f"a part of the benchmark failed with {process.returncode}")
    document: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return document


def in_child(module: str, *arguments: str) -> dict[str, Any]:
    return result(start_child(module, *arguments))


def cpu() -> float:
    """Return the processor time of this process, all its threads, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def megabytes() -> float:
    """Return the most memory that this process held.

    The kernel's `ru_maxrss` begins with what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024

"""The embedded stack: seconds to come up warm, memory when idle, seconds of `lake status`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import against_goal, write
from benchmarks.timing import timed
from lake.control import migrate
from lake.settings import Project, load_settings
from lake.stack import inspect, start, stop

RUNS = 5
SETTLE_SECONDS = 5.0
# The whole command where it exists beside this interpreter, as people run it.
LAKE = Path(sys.executable).with_name("lake")


def main() -> None:
    """Start a new stack, then stop and start it again `RUNS` times; the median counts."""
    with tempfile.TemporaryDirectory(prefix="lakemesh-bench-") as folder:
        project = Project(root=Path(folder).resolve())
        (project.root / "config.yaml").touch()
        try:
            cold = start(project).seconds
            migrate(load_settings(project=project).postgres)
            warm = [_restart(project) for _ in range(RUNS)]
            again = [timed(lambda: start(project)) for _ in range(RUNS)]
            time.sleep(SETTLE_SECONDS)  # caches of the start are written out
            memory = sum(s.memory_mb or 0.0 for s in inspect(project))
            status = [_status(project) for _ in range(RUNS)]
            down = timed(lambda: stop(project))
        finally:
            stop(project)
    write(
        "stack",
        [
            against_goal("up, first time (makes the database cluster)", cold, "s", 8),
            against_goal("up, warm, all ready (median)", statistics.median(warm), "s", 8),
            against_goal("up when up (median)", statistics.median(again), "s", 1),
            against_goal("memory of the idle stack", memory, "MB", 700),
            against_goal("lake status (median, whole command)", statistics.median(status), "s", 1),
            against_goal("down", down, "s", 8),
        ],
    )


def _restart(project: Project) -> float:
    stop(project)
    return start(project).seconds


def _status(project: Project) -> float:
    def ask() -> None:
        subprocess.run([LAKE, "status"], cwd=project.root, check=True, capture_output=True)

    return timed(ask)


if __name__ == "__main__":
    main()

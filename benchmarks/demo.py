"""The whole demo in a fresh copy of the project: seconds per step, peak memory, installed size.

Warm: everything is installed and the stack is down. The copy lies in a temporary folder, so nothing of
this checkout's `.lake/` is touched.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

import psutil

from benchmarks.installed import installed_megabytes
from benchmarks.paint import paint_figure
from benchmarks.results import Figure, against_goal, write

ROOT = Path(__file__).parents[1]
LAKE = Path(sys.executable).with_name("lake")
GOALS = {"land": 15.0, "plan": 60.0}


def copy_project(target: Path) -> None:
    """Copy what git tracks."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in names.splitlines():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


class PeakMemory:
    """The largest sum of resident memory of all processes that work in a project."""

    def __init__(self, project: Path) -> None:
        self.megabytes = 0.0
        self._project = str(project)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.25):
            self.megabytes = max(self.megabytes, self._sample())

    def _sample(self) -> float:
        total = 0
        for process in psutil.process_iter():
            try:
                if process.environ().get("LAKEMESH_PROJECT") == self._project or self._is_ours(process):
                    total += process.memory_info().rss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return total / 1e6

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.cwd().startswith(self._project)


def run_demo(project: Path) -> tuple[dict, float]:
    began = time.monotonic()
    done = subprocess.run(
        [LAKE, "demo", "run", "--json"], cwd=project, check=False, capture_output=True, text=True
    )
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(f"lake demo run failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)["proof"], seconds


def timed(argv: list[str | Path], project: Path, runs: int = 5) -> float:
    """Return the median seconds of a command as a whole process."""
    seconds = []
    for _ in range(runs):
        began = time.monotonic()
        subprocess.run(argv, cwd=project, check=True, capture_output=True)
        seconds.append(time.monotonic() - began)
    return sorted(seconds)[runs // 2]


def console_of(project: Path) -> str:
    """Return the address of the console that the demo left running."""
    said = subprocess.run(
        [LAKE, "console", "--json"], cwd=project, check=True, capture_output=True, text=True
    ).stdout
    return json.loads(said)["url"]


def figures_of(project: Path) -> list[Figure]:
    with PeakMemory(project) as memory:
        first, seconds = run_demo(project)
    steps = {step["step"]: step["seconds"] for step in first["steps"]}
    second, again = run_demo(project)
    assert all(step["already_done"] for step in second["steps"] if step["step"] in {"replay", "land", "plan"})
    found = [
        against_goal("warm demo", seconds, "s", 120),
        against_goal("peak memory of all processes", memory.megabytes, "MB", 4000),
        *(
            against_goal(f"step {name}", value, "s", GOALS[name])
            if name in GOALS
            else Figure(metric=f"step {name}", value=value, unit="s")
            for name, value in steps.items()
        ),
        Figure(
            metric="second demo",
            value=round(again, 1),
            unit="s",
            against="first",
            ratio=round(again / seconds, 2),
        ),
        against_goal("lake status", timed([LAKE, "status"], project), "s", 1),
        paint_figure(console_of(project)),
    ]
    return [*found, against_goal("installed, without dev", installed_megabytes(), "MB", 1500)]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lakemesh-bench-") as folder:
        project = Path(folder).resolve()
        copy_project(project)
        try:
            figures = figures_of(project)
        finally:
            subprocess.run([LAKE, "down"], cwd=project, check=False, capture_output=True)
    write("demo", figures)


if __name__ == "__main__":
    main()

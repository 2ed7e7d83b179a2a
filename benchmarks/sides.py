"""A SQLMesh Context that stays, ours or stock, in a process of its own that is told what to do.

Stock SQLMesh is measured where nothing of ours is in its way or helps it: the seams are put in place once
per process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlmesh import Context
from sqlmesh.core.console import NoopConsole, set_console

from benchmarks.results import Figure
from benchmarks.sandbox import ROOT
from lake.mesh.context import WarmContext
from lake.settings import Project

LAKE, STOCK = "lake", "stock"

Step = tuple[str, dict[str, Any]]  # a method of the Context and its arguments


def plan(environment: str = "prod", **options: Any) -> Step:
    """Return the step that plans and applies without a question."""
    return "plan", {
        "environment": environment, "auto_apply": True, "no_prompts": True, "skip_tests": True, **options
    }  # fmt: skip


def take(context: Any, step: Step) -> None:
    method, options = step
    getattr(context, method)(**options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds on the clock, and of processor: of the process, its threads and its children that ended."""

    wall: float
    cpu: float


class Side:
    """The process; its first step opens the Context, which loads the project."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", kind, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def timed(self, *steps: Step) -> Taken:
        """Take some steps; ends the benchmark when one fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(steps) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"a side of the benchmark failed with {self._process.wait()}")
        return Taken(**json.loads(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # the end of its input is the end of it


def compared(metric: str, pairs: Sequence[tuple[Taken, Taken]], *, stock: str) -> Iterator[Figure]:
    """Compare the medians of our side and of stock, on the clock and in seconds of processor."""
    for what, of in (("", attrgetter("wall")), (", CPU", attrgetter("cpu"))):
        ours, theirs = (statistics.median(map(of, side)) for side in zip(*pairs, strict=True))
        yield Figure(
            metric=f"{metric}{what}",
            value=round(ours, 3),
            unit="s",
            against=f"{stock} {theirs:.2f} s",
            ratio=round(ours / theirs, 2),
        )


def main(kind: str, folder: str) -> None:
    """Take the steps of each line of input, and answer each with a line."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what SQLMesh prints is no answer
    opened = WarmContext(Project(root=Path(folder))).use if kind == LAKE else _stock(folder)
    for line in sys.stdin:
        began, worked = time.perf_counter(), _cpu()
        with opened() as context:
            for step in json.loads(line):
                take(context, step)
        taken = {"wall": time.perf_counter() - began, "cpu": _cpu() - worked}
        answers.write(json.dumps(taken) + "\n")
        answers.flush()


def _stock(folder: str) -> Callable[[], Any]:
    set_console(NoopConsole())
    once = cache(lambda: Context(paths=[folder]))

    @contextmanager
    def use() -> Iterator[Context]:
        yield once()

    return use


def _cpu() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


if __name__ == "__main__":
    main(*sys.argv[1:])

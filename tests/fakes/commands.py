"""Run `lake` and `sqlmesh` as people do: each command a process, forked from one with their imports.

A new interpreter spends a second or two on imports before a command begins. Tests of what happens at that
beginning, and those that kill, start interpreters; all others may share one beginning.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from lake.settings import Settings

BIN = Path(sys.executable).parent
LAKE = str(BIN / "lake")
MAINS = {"lake": ("app.cli.main", "main"), "sqlmesh": ("sqlmesh.cli.main", "cli")}
# Nothing that starts threads, as DuckDB and Polars do, for a fork loses them; nor `sqlmesh.cli`, which reads
# the present folder when it is imported.
IMPORTED = (
    "app.cli.main",
    "lake.catalog",
    "psycopg",
    "pandas",
    "sqlmesh",
    "sqlmesh.core.test",
    "dateparser",
    "tests.fakes.frozen",  # the last: it freezes what the others have imported
)
_forks = get_context("forkserver")
_forks.set_forkserver_preload(list(IMPORTED))


def run_command(
    *command: str, folder: Path, environment: Mapping[str, str], answers: str = "", seconds: float = 180
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` and return what `subprocess.run` would; `answers` are typed beforehand."""
    with tempfile.TemporaryDirectory(prefix="command-") as told:
        streams = [Path(told) / name for name in ("in", "out", "err")]
        streams[0].write_text(answers, encoding="utf-8")
        with _started(command, str(folder), dict(environment), streams) as child:
            child.join(seconds)
            if (code := child.exitcode) is None:
                raise subprocess.TimeoutExpired(command, seconds)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in streams[1:])
        return subprocess.CompletedProcess(command, code, stdout, stderr)


def lake(settings: Settings, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run `lake` to its end, whatever that is, in the project of `settings`."""
    return run_command("lake", *words, folder=settings.project_root, environment=environment)


@contextmanager
def _started(*given: object) -> Iterator[BaseProcess]:
    """Start a child; it and its descriptors go with the block."""
    child = _forks.Process(target=_run, args=given)
    # A child begins with the file of `__main__`, and pages of the console under test leave theirs there.
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        child.start()
    finally:
        sys.modules["__main__"] = main
    try:
        yield child
    finally:
        child.kill()  # nothing, where it has ended
        child.join()
        child.close()


def _run(command: tuple[str, ...], folder: str, environment: dict[str, str], streams: list[Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, (path, flags) in enumerate(
        zip(streams, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115  multiprocessing closed it
    sys.argv = [str(BIN / command[0]), *command[1:]]
    module, name = MAINS[command[0]]
    try:
        getattr(import_module(module), name)()
    finally:
        atexit._run_exitfuncs()

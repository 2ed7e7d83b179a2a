"""Read what the children wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from lake.errors import BadInputError
from lake.settings import Project
from lake.stack.process import tail

LOOK_SECONDS = 0.2


def log_files(project: Project, service: str | None) -> list[Path]:
    """Return the logs of one service or of all, in the order of their names."""
    found = sorted(project.logs.glob("*.log"))
    if service is None:
        return found
    if wanted := [file for file in found if file.stem == service]:
        return wanted
    known = ", ".join(file.stem for file in found) or "none yet: lake up"
    raise BadInputError(f"no log of a service {service!r}", hint=f"choose one of: {known}")


def read_logs(project: Project, service: str | None, *, lines: int) -> Iterator[str]:
    """Yield the last lines of each log; with several, each line says whose it is."""
    files = log_files(project, service)
    for file in files:
        for line in tail(file, lines):
            yield line if len(files) == 1 else f"{file.stem}: {line}"


def follow_logs(project: Project, service: str | None) -> Iterator[str]:
    """Yield the lines that are written from now on, until the caller stops."""
    return _follow({file: file.stat().st_size for file in log_files(project, service)})


def _follow(ends: dict[Path, int]) -> Iterator[str]:
    single = len(ends) == 1
    while True:
        for file, seen in ends.items():
            size = file.stat().st_size if file.exists() else 0
            start = seen if size >= seen else 0  # rotated: begin anew
            if size == start:
                continue
            with file.open("rb") as stream:
                stream.seek(start)
                text = stream.read()
            whole = text[: text.rfind(b"\n") + 1]  # a line that is not finished comes next time
            ends[file] = start + len(whole)
            for line in whole.decode("utf-8", errors="replace").splitlines():
                yield line if single else f"{file.stem}: {line}"
        time.sleep(LOOK_SECONDS)

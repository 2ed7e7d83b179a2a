"""Run a child of the demo to its end; nothing of it is left when we are interrupted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lake.errors import BadInputError, ConflictError, LakeError, TerminalError, TransientError

_GRACE_SECONDS = 15.0
_TAIL_LINES = 15
# Children end with the codes of `lake`; ours should be the same.
_ERRORS: Mapping[int, type[LakeError]] = {2: BadInputError, 4: TransientError, 5: ConflictError}


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A command, where it runs, its whole environment, and the file that keeps what it says."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    log: Path


def run_child(child: Child, *, doing: str) -> str:
    """Return what the child wrote to stdout; its stderr goes to the log file.

    Raises the error of its exit code, with its last lines and the log's place, when it fails.
    Ctrl-C ends the child first.
    """
    child.log.parent.mkdir(parents=True, exist_ok=True)
    with child.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            child.argv, cwd=child.cwd, env=dict(child.env), stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            said, _ = process.communicate()
        except BaseException:
            _end(process)
            raise
        log.write(said)
    if process.returncode:
        lines = child.log.read_text(encoding="utf-8").strip().splitlines()[-_TAIL_LINES:]
        raise _ERRORS.get(process.returncode, TerminalError)(
            f"{doing} failed (exit code {process.returncode}):\n" + "\n".join(f"  {line}" for line in lines),
            hint=f"mend what it says, then make demo again; the whole output is in {child.log}",
        )
    return said


def report_of(said: str, *, doing: str) -> Any:
    """Read the JSON document that a child printed."""
    try:
        return json.loads(said)
    except json.JSONDecodeError as error:
        raise TerminalError(
            f"{doing} printed no JSON report: {said[:200]!r}", hint="lake demo run"
        ) from error


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

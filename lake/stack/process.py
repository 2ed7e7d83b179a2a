"""One detached child: start it, recognise it later, end it with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from lake.errors import ConfigurationError
from lake.settings import Project
from lake.stack.model import MARK_PROJECT, MARK_SERVICE, Child, Launch

LOG_LIMIT_BYTES = 8 * 1024 * 1024
# Two readings of one process's start time differ when the clock was stepped in between.
SAME_START_SECONDS = 0.5
KILL_SECONDS = 5.0
LEFT_BEHIND_SECONDS = 2.0
LOOK_SECONDS = 0.02

_own: dict[int, subprocess.Popen[bytes]] = {}  # so that this process reaps what it started


def spawn(project: Project, service: str, launch: Launch, log: Path) -> Child:
    """Start a child in a session of its own, so that Ctrl-C and a closed terminal pass it by.

    Its output is appended to `log` (0600, the previous 8 MB are kept as `.1`).
    """
    _rotate(log)
    env = {**launch.env, **marks(project, service)}
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    uid, gid = launch.run_as or (None, None)
    try:
        process = subprocess.Popen(
            launch.argv,
            cwd=launch.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else (),
            umask=0o077,
        )
    except OSError as error:
        raise ConfigurationError(
            f"{service} can't be started: {launch.argv[0]}: {error.strerror}", hint="lake doctor"
        ) from error
    finally:
        os.close(handle)
    _own[process.pid] = process
    try:
        created = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:  # ended at once; the caller reads the log
        created = time.time()
    return Child(service=service, pid=process.pid, created=created)


def marks(project: Project, service: str) -> dict[str, str]:
    return {MARK_PROJECT: str(project.root), MARK_SERVICE: service}


def find(child: Child, project: Project) -> psutil.Process | None:
    """Return the live process of a recorded child; None when it ended or its pid is somebody else's."""
    _reap(child.pid)
    try:
        process = psutil.Process(child.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if abs(process.create_time() - child.created) < SAME_START_SECONDS:
            return process
        return process if _marks_of(process) == marks(project, child.service) else None
    except psutil.NoSuchProcess:
        return None


def exit_code(child: Child) -> int | None:
    """Return how a child of this very process ended; None when it lives or is not ours to ask."""
    own = _own.get(child.pid)
    return None if own is None else own.poll()


def orphans(project: Project, known: Mapping[str, Child]) -> Iterator[tuple[str, psutil.Process]]:
    """Yield (service, process) for marked processes of this project that nobody recorded.

    Descendants of recorded children carry the mark too and are not orphans.
    """
    recorded = {child.pid for child in known.values() if find(child, project)}
    wanted = str(project.root)
    for process in psutil.process_iter():
        try:
            found = _marks_of(process)
            if found.get(MARK_PROJECT) != wanted or process.pid == os.getpid():
                continue
            family = {process.pid, *(parent.pid for parent in process.parents())}
            if not family & recorded and process.status() != psutil.STATUS_ZOMBIE:
                yield found.get(MARK_SERVICE, process.name()), process
        except psutil.NoSuchProcess:
            continue


def end(process: psutil.Process, *, first: int = signal.SIGTERM, seconds: float = 10.0) -> bool:
    """End a process and its descendants; True when the process itself went within `seconds`.

    1 `first` to its group. 2 What it left behind, in other sessions, gets TERM. 3 Then KILL.
    """
    descendants = _descendants(process)  # asked before: nobody knows them once their parent is gone
    _signal_group(process, first)  # 1
    went = not _wait([process], seconds)
    if went:
        for member in descendants:
            _signal(member, signal.SIGTERM)  # 2
    left = _wait(descendants, LEFT_BEHIND_SECONDS if went else 0)
    if not went or left:
        _signal_group(process, signal.SIGKILL)  # 3
        for member in (process, *left):
            _signal(member, signal.SIGKILL)
        _wait([process, *left], KILL_SECONDS)
    return went


def memory_mb(process: psutil.Process) -> float:
    """Return the memory of a process and its descendants in MiB, shared pages counted once where known."""
    total = 0.0
    for member in [process, *_descendants(process)]:
        try:
            info = member.memory_info()
        except psutil.Error:
            continue  # ended meanwhile, or another user's: not ours to count
        total += (info.rss - getattr(info, "shared", 0)) if member.pid != process.pid else info.rss
    return round(total / 2**20, 1)


def tail(log: Path, lines: int = 5) -> list[str]:
    """Return the last lines of a log, oldest first."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 400 * max(lines, 1)))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all ended; return those that did not."""
    ends = time.monotonic() + seconds
    while True:
        for process in processes:
            _reap(process.pid)
        alive = [process for process in processes if process.is_running() and not _is_zombie(process)]
        if not alive or time.monotonic() > ends:
            return alive
        time.sleep(LOOK_SECONDS)


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal_group(process: psutil.Process, number: int) -> None:
    """Signal the group that the child leads; never our own."""
    try:
        if process.is_running() and os.getpgid(process.pid) == process.pid != os.getpgrp():
            os.killpg(process.pid, number)
        else:
            _signal(process, number)
    except ProcessLookupError:
        return  # it ended by itself


def _signal(process: psutil.Process, number: int) -> None:
    """Signal one process; psutil makes sure that its pid was not given to another."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it ended by itself


def _marks_of(process: psutil.Process) -> dict[str, str]:
    try:
        env = process.environ()
    except (psutil.Error, OSError):
        return {}  # another user's process, or the kernel's
    return {name: env[name] for name in (MARK_PROJECT, MARK_SERVICE) if name in env}


def _reap(pid: int) -> None:
    own = _own.get(pid)
    if own is not None:
        own.poll()


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))

"""The `.lake/` folder: who may read it, what is remembered there, one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lake.errors import ConfigurationError, ConflictError, LakeError, TerminalError
from lake.settings import Project
from lake.stack.model import Child

FORMAT = 1
LOCK_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Generated once per project; `repr` shows none of it."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    postgres_password: str = field(repr=False)

    @classmethod
    def generate(cls) -> Credentials:
        return cls(
            access_key=f"lake{secrets.token_hex(8)}",
            secret_key=secrets.token_hex(20),
            postgres_password=secrets.token_hex(20),
        )


@dataclass(slots=True, kw_only=True)
class StackState:
    """The content of `stack.json`, changed only while the lock is held."""

    credentials: Credentials = field(default_factory=Credentials.generate)
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    extras: list[str] = field(default_factory=list)  # servers beside the three, until `lake down`


def stack_file(project: Project) -> Path:
    return project.state / "stack.json"


def make_folder(project: Project) -> None:
    """Create `.lake/` for its owner alone; heal a mode that somebody opened."""
    with disk_errors(project):
        project.state.mkdir(mode=0o700, exist_ok=True)
        if project.state.stat().st_mode & 0o077:
            project.state.chmod(0o700)
        project.logs.mkdir(mode=0o700, exist_ok=True)


def read_state(project: Project) -> StackState | None:
    """Return what is remembered, None when nothing was ever started here."""
    path = stack_file(project)
    document = read_json(path)
    if document is None:
        return None
    try:
        return StackState(
            credentials=Credentials(**document["credentials"]),
            ports={str(k): int(v) for k, v in document["ports"].items()},
            children={k: Child(**v) for k, v in document["children"].items()},
            services=document.get("services", {}),
            extras=list(document.get("extras", [])),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _damaged(path, type(error).__name__) from None  # the cause may show a credential


def write_state(project: Project, state: StackState) -> None:
    """Replace `stack.json` in one step."""
    document = {
        "format": FORMAT,
        "credentials": {name: getattr(state.credentials, name) for name in Credentials.__slots__},
        "ports": state.ports,
        "children": {
            name: {"service": c.service, "pid": c.pid, "created": c.created}
            for name, c in state.children.items()
        },
        "services": state.services,
        "extras": state.extras,
    }
    write_json(project, stack_file(project), document)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the document, None when there is no file; ConfigurationError when it is damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise ConfigurationError(
            f"{path} may not be read by this user", hint=f"run as the owner: ls -l {path.parent}"
        ) from error
    except ValueError:
        raise _damaged(path, "no JSON") from None
    if not isinstance(document, dict):
        raise _damaged(path, "no JSON object")
    return document


def write_json(project: Project, path: Path, document: dict[str, Any]) -> None:
    """Write with mode 0600 beside the target, sync, then rename: readers see the old or the new."""
    with disk_errors(project):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def locked(project: Project, *, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Let one process at a time change the stack; the lock ends with its holder, even when killed.

    Raises ConflictError when another command holds it longer than `wait_seconds`.
    """
    make_folder(project)
    path = project.state / "lock"
    ends = time.monotonic() + wait_seconds
    with disk_errors(project):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > ends:
                    holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                    raise ConflictError(
                        f"another command (pid {holder}) has been changing the stack of {project.root}"
                        f" for over {wait_seconds:.0f} s",
                        hint=f"wait for it, or end it: kill {holder}",
                    ) from None
                time.sleep(0.05)
        with disk_errors(project):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


@contextmanager
def disk_errors(project: Project) -> Iterator[None]:
    """Say in one place what a full disk or a missing right means."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_is_full(project) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise ConfigurationError(
                f"{project.state} can't be written ({error.strerror})", hint=f"ls -ld {project.state}"
            ) from error
        raise


def disk_is_full(project: Project) -> LakeError:
    return TerminalError(
        f"the disk that holds {project.state} is full",
        hint=f"free some space (df -h {project.root}), then lake up",
    )


def _damaged(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged ({reason})",
        hint=f"restore it from a backup; without it the data in {path.parent} can't be opened any more",
    )

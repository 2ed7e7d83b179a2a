"""Look for what would keep the stack from working; each problem names the next command."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import psutil

from lake.errors import LakeError
from lake.settings import Profile, Project, load_settings
from lake.stack import process, seaweed, tansu
from lake.stack.inspection import inspect
from lake.stack.model import ServiceState
from lake.stack.ports import is_free, owner_of
from lake.stack.postgres_user import binaries, server_user
from lake.stack.services import PORT_NAMES
from lake.stack.state import read_json, read_state

GIB = 2**30
WANTED_DISK_BYTES = 4 * GIB  # the demo's data, wheels excluded, with room for its temporary files
WANTED_MEMORY_BYTES = 4 * GIB  # what a demo may take at its peak
_ADDRESSES = (
    ("storage", "endpoint"),
    ("catalog", "uri"),
    ("broker", "bootstrap_servers"),
    ("postgres", "host"),
    ("postgres", "port"),
)
EXTENSIONS = ("duckdb-extension-avro", "duckdb-extension-httpfs", "duckdb-extension-iceberg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what was found, and what to do when it is a problem."""

    check: str
    ok: bool
    detail: str
    next_step: str = ""


def examine(project: Project) -> tuple[Finding, ...]:
    """Run every check; a check that can't be made is a problem, never an exception."""
    settings = _guarded("settings", lambda: _settings(project))
    findings = [_python(), settings, _disk(project), _memory(), *_permissions(project)]
    if not settings.ok:
        return tuple(findings)
    if load_settings(project=project).profile is Profile.EMBEDDED:
        findings += [
            _guarded("seaweedfs", lambda: _program("seaweedfs", str(seaweed.binary()))),
            _guarded("tansu", lambda: _program("tansu", str(tansu.binary()))),
            _guarded("postgresql", lambda: _program("postgresql", str(binaries(server_user()) / "postgres"))),
            _guarded("ports", lambda: _ports(project)),
            _guarded("addresses", lambda: _addresses(project)),
        ]
    findings += [_extension(name) for name in EXTENSIONS]
    return (*findings, *_services(project))


def _guarded(check: str, examine_it: Callable[[], Finding]) -> Finding:
    try:
        return examine_it()
    except LakeError as error:
        return Finding(check=check, ok=False, detail=error.message, next_step=error.hint)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        check="python",
        ok=sys.version_info >= (3, 11),
        detail=version,
        next_step="make PYTHON=python3.11 install",
    )


def _settings(project: Project) -> Finding:
    settings = load_settings(project=project)
    return Finding(check="settings", ok=True, detail=f"profile {settings.profile.value}")


def _program(check: str, path: str) -> Finding:
    return Finding(
        check=check, ok=os.access(path, os.X_OK), detail=path, next_step="pip install 'lakemesh[embedded]'"
    )


def _extension(name: str) -> Finding:
    try:
        return Finding(check=name, ok=True, detail=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(check=name, ok=False, detail="not installed", next_step=f"pip install {name}")


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.root).free
    return Finding(
        check="disk",
        ok=free >= WANTED_DISK_BYTES,
        detail=f"{free / GIB:.1f} GiB free, {WANTED_DISK_BYTES // GIB} wanted",
        next_step=f"df -h {project.root}",
    )


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    return Finding(
        check="memory",
        ok=available >= WANTED_MEMORY_BYTES,
        detail=f"{available / GIB:.1f} GiB available, {WANTED_MEMORY_BYTES // GIB} wanted",
        next_step="end what you don't need: ps aux --sort=-rss | head",
    )


def _permissions(project: Project) -> tuple[Finding, ...]:
    if not project.state.exists():
        return (Finding(check="permissions", ok=True, detail="no .lake yet"),)
    wanted = {project.state: 0o700, project.endpoints_file: 0o600, project.state / "stack.json": 0o600}
    return tuple(
        Finding(
            check=f"permissions {path.name}",
            ok=(mode := stat.S_IMODE(path.stat().st_mode)) == right and os.access(path, os.W_OK),
            detail=f"{mode:04o}, owner {path.stat().st_uid}",
            next_step=f"chmod {right:o} {path}",
        )
        for path, right in wanted.items()
        if path.exists()
    )


def _ports(project: Project) -> Finding:
    state = read_state(project)
    if state is None:
        return Finding(check="ports", ok=True, detail="chosen at the first lake up")
    living = {name for name, child in state.children.items() if process.find(child, project)}
    # A service that is not recorded may choose its port anew, so only those that `lake up` starts count.
    wanted = {name for name in state.ports if name in PORT_NAMES or name.split(".")[0] in state.services}
    idle = {name: state.ports[name] for name in sorted(wanted) if name.split(".")[0] not in living}
    taken = {name: port for name, port in idle.items() if not is_free(port)}
    if not taken:
        return Finding(check="ports", ok=True, detail=f"{len(idle)} of {len(state.ports)} waiting, all free")
    said = ", ".join(f"{port} ({name}) by {owner_of(port)}" for name, port in taken.items())
    ours = all(name in PORT_NAMES for name in taken)
    return Finding(
        check="ports",
        ok=False,
        detail=f"taken: {said}",
        next_step="lake down, then lake up --new-ports" if ours else "end that process",
    )


def _addresses(project: Project) -> Finding:
    """Find settings that lead past the embedded stack: `lake status` asks that stack, the rest does not."""
    settings = load_settings(project=project)
    recorded = read_json(project.endpoints_file) or {}
    elsewhere = [
        f"{section}.{name} is {used}"
        for section, name in _ADDRESSES
        if (used := getattr(getattr(settings, section), name)) != recorded.get(section, {}).get(name, used)
    ]
    return Finding(
        check="addresses",
        ok=not elsewhere,
        detail="; ".join(elsewhere) or "those of the embedded stack",
        next_step="unset its LAKE_* variable, in .env too; or set LAKE_PROFILE=external",
    )


def _services(project: Project) -> tuple[Finding, ...]:
    try:
        found = inspect(project)
    except LakeError as error:
        return (Finding(check="services", ok=False, detail=error.message, next_step=error.hint),)
    return tuple(
        Finding(
            check=f"service {status.service}",
            ok=status.state is ServiceState.READY,
            detail=f"{status.state.value} {status.detail}".strip(),
            next_step=_next_step(status.state, status.service, status.address, embedded=bool(status.log)),
        )
        for status in found
    )


def _next_step(state: ServiceState, service: str, address: str, *, embedded: bool) -> str:
    if state is ServiceState.ORPHAN:
        return "lake down"
    if state is ServiceState.SILENT:
        return f"lake logs {service}" if embedded else f"is {address} right, and up?"
    return "lake up"

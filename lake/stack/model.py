"""The values of this room: what a service is, how a child was recorded, what was found out about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

START_SECONDS = 60.0  # what a service usually gets
MARK_PROJECT = "LAKEMESH_PROJECT"  # environment variables that say whose child a process is;
MARK_SERVICE = "LAKEMESH_SERVICE"  # not LAKE_*, which are settings


class ServiceState(StrEnum):
    """How a service stands."""

    READY = "ready"  # answered a real request
    SILENT = "silent"  # its process lives, or its address is known, but it did not answer
    DEAD = "dead"  # recorded as started, but the process is gone: `lake up` replaces it
    STOPPED = "stopped"  # not started
    ORPHAN = "orphan"  # runs, left over by a command that was killed; `lake up` and `lake down` end it


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A detached process as `stack.json` remembers it.

    `created` is the start time that the system reports (seconds since the epoch): a pid alone may
    have been given to somebody else meanwhile.
    """

    service: str
    pid: int
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one child: everything but where its output goes.

    `run_as` is (uid, gid) for a server that refuses to run as root; None keeps ours.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    run_as: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a real request to a service brought."""

    ok: bool
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One line of `lake status`."""

    service: str
    state: ServiceState
    address: str
    detail: str = ""
    pid: int | None = None
    memory_mb: float | None = None
    log: str = ""


class EventKind(StrEnum):
    """What happened to a service while the stack was started or stopped."""

    KEPT = "kept"  # was ready already
    STARTED = "started"
    REPLACED = "replaced"  # started in place of one that died
    READY = "ready"
    ORPHAN_ENDED = "orphan ended"  # left over by a command that was killed
    STOPPED = "stopped"
    KILLED = "killed"  # did not end within its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Progress for people: `kind` happened to `service` after `seconds`."""

    service: str
    kind: EventKind
    seconds: float = 0.0


OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackReport:
    """What `start` did."""

    services: tuple[ServiceStatus, ...]
    started: tuple[str, ...]
    kept: tuple[str, ...]
    seconds: float


class Service(Protocol):
    """A kind of child: knows its ports, how it is prepared and launched, and when it is ready."""

    @property
    def name(self) -> str:
        """What people call it: `lake logs <name>`."""

    @property
    def stop_signal(self) -> int:
        """The signal that asks it to end in good order."""

    @property
    def stop_seconds(self) -> float:
        """How long it may take before it is killed."""

    @property
    def start_seconds(self) -> float:
        """How long it may take until it answers."""

    @property
    def after(self) -> tuple[str, ...]:
        """Services that must be ready before this one starts."""

    @property
    def port_names(self) -> tuple[str, ...]:
        """Names of the ports that it listens on."""

    def listens_on(self) -> tuple[int, ...]:
        """Return every port that it binds."""

    def address(self) -> str:
        """Where clients reach it; holds no secret."""

    def prepare(self) -> Launch:
        """Do what must exist before the process starts (idempotent) and say how to start it."""

    def probe(self, *, starting: bool) -> Answer:
        """Make a real request; with `starting` also one that writes."""

    def tidy(self) -> None:
        """Remove what a killed process left outside the project (idempotent)."""

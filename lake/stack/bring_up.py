"""Carry a plan out: launch in order, wait for real answers, undo what was started when interrupted."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lake.errors import ConflictError, LakeError, TerminalError, UnavailableError
from lake.log import get_logger
from lake.settings import Project
from lake.stack import process
from lake.stack.model import Event, EventKind, OnEvent, Service
from lake.stack.plan import UpPlan
from lake.stack.ports import comes_free, owner_of
from lake.stack.state import StackState, disk_errors, disk_is_full, write_state

LOOK_SECONDS = 0.025
MIN_FREE_BYTES = 256 * 2**20  # to begin at all: a new PostgreSQL cluster takes 40 MB, its log more
FULL_BYTES = 2**20
RELEASE_SECONDS = 5.0  # a killed child that is torn down on a busy machine takes so long at most

log = get_logger("lake.stack")


@dataclass(slots=True, kw_only=True)
class BringUp:
    """One run of `up`, while the lock is held."""

    project: Project
    state: StackState
    on_event: OnEvent
    began: float = field(default_factory=time.monotonic)
    started: list[str] = field(default_factory=list)

    def apply(self, plan: UpPlan, services: Sequence[Service]) -> None:
        """Bring every service of the plan to answer; whatever goes wrong, end what this run started."""
        if plan.launches:
            self._require_space()
        for service in services:
            if service.name in plan.launches:
                self._require_ports(service)
        try:
            self._run(plan, {service.name: service for service in services})
        except BaseException as error:
            full = isinstance(error, LakeError) and self._free_bytes() < FULL_BYTES
            self._undo({service.name: service for service in services})
            if full:  # whatever it looked like from outside, this is why
                raise disk_is_full(self.project) from error
            raise

    def _run(self, plan: UpPlan, services: dict[str, Service]) -> None:
        ready = set(plan.keep)
        to_launch = [name for name in services if name in plan.launches]
        pending = list(plan.wait)
        while to_launch or pending:
            for name in [n for n in to_launch if ready.issuperset(services[n].after)]:
                kind = EventKind.REPLACED if name in plan.replace else EventKind.STARTED
                self._launch(services[name], kind)
                to_launch.remove(name)
                pending.append(name)
            for name in list(pending):
                if self._answers(services[name]):
                    pending.remove(name)
                    ready.add(name)
                    self._tell(name, EventKind.READY)
            if to_launch or pending:
                time.sleep(LOOK_SECONDS)

    def _launch(self, service: Service, kind: EventKind) -> None:
        service.tidy()
        with disk_errors(self.project):
            log_file = self.project.logs / f"{service.name}.log"
            child = process.spawn(self.project, service.name, service.prepare(), log_file)
        self.state.children[service.name] = child
        self.started.append(service.name)
        write_state(self.project, self.state)
        log.info("service.started", service=service.name, pid=child.pid)
        self._tell(service.name, kind)

    def _answers(self, service: Service) -> bool:
        child = self.state.children[service.name]
        code = process.exit_code(child)
        if process.find(child, self.project) is None:
            raise self._ended(service, code)
        answer = service.probe(starting=True)
        if not answer.ok and "No space left" in answer.detail:
            raise disk_is_full(self.project)
        if not answer.ok and time.monotonic() - self.began > service.start_seconds:
            raise UnavailableError(
                service.name,
                f"runs (pid {child.pid}) but gave no good answer within {service.start_seconds:.0f} s:"
                f" {answer.detail}",
                hint=f"lake logs {service.name}, then lake down and lake up",
            )
        return answer.ok

    def _ended(self, service: Service, code: int | None) -> LakeError:
        lines = process.tail(self.project.logs / f"{service.name}.log", 30)
        text = "\n".join(lines)
        if "No space left on device" in text:
            return disk_is_full(self.project)
        if "ddress already in use" in text:
            return ConflictError(
                f"{service.name}: one of its ports was taken while it started", hint="lake up --new-ports"
            )
        how = f"exit code {code}" if code is not None else "unknown exit code"
        last = next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
        return TerminalError(
            f"{service.name} ended while starting ({how}): {last}", hint=f"lake logs {service.name}"
        )

    def _require_space(self) -> None:
        free = self._free_bytes()
        if free < MIN_FREE_BYTES:
            raise TerminalError(
                f"the disk that holds {self.project.state} is full: {free // 2**20} MB free,"
                f" {MIN_FREE_BYTES // 2**20} MB needed to start",
                hint=f"free some space (df -h {self.project.root}), then lake up",
            )

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self.project.state).free

    def _require_ports(self, service: Service) -> None:
        for port in service.listens_on():
            if not comes_free(port, seconds=RELEASE_SECONDS):
                raise ConflictError(
                    f"{service.name} needs port {port}, and {owner_of(port)} listens there",
                    hint="end that process, or choose other ports: lake up --new-ports",
                )

    def _undo(self, services: dict[str, Service]) -> None:
        """End what this run started; also what it had no time to record when Ctrl-C came."""
        for name in reversed(self.started):
            child = self.state.children.pop(name, None)
            live = None if child is None else process.find(child, self.project)
            if live:
                process.end(live, first=services[name].stop_signal, seconds=services[name].stop_seconds)
                self._tell(name, EventKind.STOPPED)
            services[name].tidy()
        for name, orphan in list(process.orphans(self.project, self.state.children)):
            process.end(orphan, first=services[name].stop_signal if name in services else signal.SIGTERM)
        if self.started:
            write_state(self.project, self.state)

    def _tell(self, service: str, kind: EventKind) -> None:
        self.on_event(Event(service=service, kind=kind, seconds=round(time.monotonic() - self.began, 3)))

"""Start and stop the stack: one command at a time, nothing that runs is disturbed, nothing is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil

from lake.errors import RefusedError
from lake.settings import Profile, Project, load_settings
from lake.stack import process
from lake.stack.app_service import AppService, port_name
from lake.stack.bring_up import BringUp
from lake.stack.endpoints import write_sections
from lake.stack.folder import Site
from lake.stack.inspection import inspect
from lake.stack.model import Event, EventKind, OnEvent, Service, ServiceStatus, StackReport
from lake.stack.plan import Fact, UpPlan, plan_up
from lake.stack.ports import assign, find_free, is_free
from lake.stack.postgres import Postgres
from lake.stack.services import EXTRAS, Embedded, port_names
from lake.stack.state import StackState, locked, make_folder, read_state, write_state
from lake.stack.trino import Trino, installed


def ignore_event(event: Event) -> None:
    """Listen to nothing."""


def start(
    project: Project,
    *,
    on_event: OnEvent = ignore_event,
    new_ports: bool = False,
    extras: Collection[str] = (),
) -> StackReport:
    """Bring the embedded stack up; a stack that is up stays as it is.

    `extras` names servers to run beside it from now on until `stop`: trino.

    1 Take the lock. 2 Remember ports and credentials and tell everybody where things are.
    3 End orphans of killed commands. 4 Look at every recorded child. 5 Launch what is missing.
    Ctrl-C or an error ends what this call started and nothing else. `new_ports` forgets the ports of
    a stack that is down. Raises RefusedError in profile external, ConflictError when a port is taken
    or another command holds the lock, TerminalError when a child can't start or the disk is full.
    """
    began = time.monotonic()
    _refuse_external(project, "start")
    if Trino.name in extras:
        installed()  # before anything is remembered: a plain `lake up` must not stumble over it
    with locked(project):  # 1
        state = read_state(project) or StackState()
        state.extras = sorted({*state.extras, *extras})
        embedded = _remember(project, state, new_ports=new_ports)  # 2
        _end_orphans(project, state, on_event)  # 3
        plan = _look(project, state, embedded.all())  # 4
        for name in plan.keep:
            on_event(Event(service=name, kind=EventKind.KEPT))
        BringUp(project=project, state=state, on_event=on_event).apply(plan, embedded.all())  # 5
    return StackReport(
        services=inspect(project),
        started=plan.launches,
        kept=plan.keep,
        seconds=round(time.monotonic() - began, 3),
    )


def stop(
    project: Project,
    *,
    on_event: OnEvent = ignore_event,
    before_postgres: Callable[[], None] | None = None,
) -> tuple[str, ...]:
    """End every child of this project, recorded or orphaned, and return their names.

    Clients go before their servers and PostgreSQL last; `before_postgres` is called while it still
    answers. Idempotent. Raises RefusedError in profile external.
    """
    _refuse_external(project, "stop")
    if not project.state.is_dir():  # nothing was ever started, or somebody removed the folder
        orphans = list(process.orphans(project, {}))
        return tuple(_end_orphan(name, live, on_event) for name, live in orphans)
    with locked(project):
        state = read_state(project) or StackState()
        ended = [_end_orphan(name, live, on_event) for name, live in process.orphans(project, state.children)]
        if not state.children and not state.services:
            return tuple(ended)
        ports = assign(state.ports, port_names(state.extras))
        site = Site(project=project, ports=ports, credentials=state.credentials)
        embedded = Embedded.of(site, state)
        stop_one = partial(_stop_one, project, state, on_event=on_event)
        ended += [service.name for service in embedded.clients() if stop_one(service)]
        try:
            if before_postgres and embedded.postgres.name in state.children:
                before_postgres()
        finally:  # also when the act could not be logged
            ended += [service.name for service in (embedded.postgres,) if stop_one(service)]
            state.extras = []
            write_state(project, state)  # last: a full disk must not keep anything running
    return tuple(ended)


def reserve_port(project: Project, service: str, *, preferred: int | None = None) -> int:
    """Return the remembered port of a service, or find one and remember it.

    A remembered port that somebody took while the service was not recorded is forgotten.
    """
    with locked(project):
        state = read_state(project) or StackState()
        name = port_name(service)
        if service not in state.services and name in state.ports and not is_free(state.ports[name]):
            del state.ports[name]
        if name not in state.ports:
            taken = state.ports.values()
            wanted = preferred if preferred and preferred not in taken and is_free(preferred) else None
            state.ports[name] = wanted or find_free(1, avoid=taken)[0]
            write_state(project, state)
        return state.ports[name]


def run_service(project: Project, service: AppService, *, on_event: OnEvent = ignore_event) -> ServiceStatus:
    """Record a service beside the stack and bring it up, as a detached child of the same kind.

    A service that answers is kept when its description is the same and replaced when it changed.
    `lake status` shows it, `lake up` replaces it when it died, `lake down` ends it.
    """
    _refuse_external(project, "start")
    with locked(project):
        state = read_state(project) or StackState()
        if state.services.get(service.name) not in (None, service.to_json()):
            _stop_one(project, state, service, on_event=on_event)
        state.services[service.name] = service.to_json()
        state.ports[port_name(service.name)] = service.port
        write_state(project, state)
        plan = _look(project, state, (service,))
        independent = AppService.from_json(service.name, {**service.to_json(), "after": []})
        try:
            BringUp(project=project, state=state, on_event=on_event).apply(plan, (independent,))
        except BaseException:
            state.services.pop(service.name, None)
            write_state(project, state)
            raise
    return next(status for status in inspect(project) if status.service == service.name)


def stop_service(project: Project, name: str, *, on_event: OnEvent = ignore_event) -> bool:
    """End one registered service and forget it; its port stays remembered. True when it ran."""
    with locked(project):
        state = read_state(project) or StackState()
        document = state.services.get(name)
        if document is None:
            return False
        ran = _stop_one(project, state, AppService.from_json(name, document), on_event=on_event)
        write_state(project, state)
    return ran


def _refuse_external(project: Project, verb: str) -> None:
    if load_settings(project=project).profile is Profile.EXTERNAL:
        raise RefusedError(
            f"profile external: lake does not {verb} services that it does not own",
            hint="lake status shows how they answer; set profile = embedded for a stack on this machine",
        )


def _remember(project: Project, state: StackState, *, new_ports: bool) -> Embedded:
    make_folder(project)
    if new_ports:
        living = [name for name, child in state.children.items() if process.find(child, project)]
        if living:
            raise RefusedError(f"{', '.join(living)} still run on the old ports", hint="lake down")
        ours = port_names(EXTRAS)
        state.ports = {name: port for name, port in state.ports.items() if name not in ours}
    state.ports = assign(state.ports, port_names(state.extras))
    write_state(project, state)
    site = Site(project=project, ports=state.ports, credentials=state.credentials)
    embedded = Embedded.of(site, state)
    write_sections(project, embedded.sections())
    return embedded


def _look(project: Project, state: StackState, services: Sequence[Service]) -> UpPlan:
    def fact(service: Service) -> Fact:
        child = state.children.get(service.name)
        alive = child is not None and process.find(child, project) is not None
        answers = alive and service.probe(starting=False).ok
        return Fact(service=service.name, recorded=child is not None, alive=alive, answers=answers)

    with ThreadPoolExecutor(max_workers=len(services)) as pool:
        return plan_up(list(pool.map(fact, services)))


def _stop_one(project: Project, state: StackState, service: Service, *, on_event: OnEvent) -> bool:
    """End one service and forget it; True when it ran."""
    child = state.children.get(service.name)
    live = None if child is None else process.find(child, project)
    ran = False
    if live:
        began = time.monotonic()
        by_itself = process.end(live, first=service.stop_signal, seconds=service.stop_seconds)
        kind = EventKind.STOPPED if by_itself else EventKind.KILLED
        on_event(Event(service=service.name, kind=kind, seconds=round(time.monotonic() - began, 3)))
        ran = True
    service.tidy()
    state.children.pop(service.name, None)
    state.services.pop(service.name, None)
    return ran


def _end_orphans(project: Project, state: StackState, on_event: OnEvent) -> None:
    for name, live in list(process.orphans(project, state.children)):
        _end_orphan(name, live, on_event)


def _end_orphan(name: str, live: psutil.Process, on_event: OnEvent) -> str:
    first = Postgres.stop_signal if name == Postgres.name else signal.SIGTERM
    process.end(live, first=first)
    on_event(Event(service=name, kind=EventKind.ORPHAN_ENDED))
    return name

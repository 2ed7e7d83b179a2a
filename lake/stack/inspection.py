"""Look at the services without changing anything; needs no lock and works on a stack that is down."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lake.settings import Profile, Project, Settings, TrinoSettings, load_settings
from lake.stack import probe, process
from lake.stack.folder import Site
from lake.stack.model import Answer, Service, ServiceState, ServiceStatus
from lake.stack.ports import HOST
from lake.stack.services import Embedded, port_names
from lake.stack.state import StackState, read_state

# A network and a TLS handshake lie between.
EXTERNAL_SECONDS = 3.0


def inspect(project: Project) -> tuple[ServiceStatus, ...]:
    """Return how every service stands, each asked by a real request, all at the same time.

    Embedded: the children of this project, then its orphans. External: the services that settings name.
    """
    settings = load_settings(project=project)
    if settings.profile is Profile.EXTERNAL:
        used = [name for name in _EXTERNAL if name != "trino" or settings.trino != TrinoSettings()]
        return _in_parallel([_external_question(settings, name) for name in used])
    state = read_state(project)
    if state is None or any(name not in state.ports for name in port_names(state.extras)):
        names = ("seaweed", "postgres", "tansu")
        return tuple(ServiceStatus(service=n, state=ServiceState.STOPPED, address=HOST) for n in names)
    site = Site(project=project, ports=state.ports, credentials=state.credentials)
    services = Embedded.of(site, state).all()
    found = _in_parallel([_child_question(project, state, service) for service in services])
    return found + tuple(
        ServiceStatus(
            service=name,
            state=ServiceState.ORPHAN,
            address="",
            detail="left over by a command that was killed; lake up or lake down ends it",
            pid=live.pid,
        )
        for name, live in process.orphans(project, state.children)
    )


_EXTERNAL: dict[str, Callable[[Settings], tuple[str, Callable[[], Answer]]]] = {
    "storage": lambda s: (s.storage.endpoint, lambda: probe.storage(s.storage, timeout=EXTERNAL_SECONDS)),
    "catalog": lambda s: (s.catalog.uri, lambda: probe.catalog(s.catalog, timeout=EXTERNAL_SECONDS)),
    "broker": lambda s: (
        s.broker.bootstrap_servers,
        lambda: probe.broker(s.broker, timeout=EXTERNAL_SECONDS),
    ),
    "postgres": lambda s: (f"{s.postgres.host}:{s.postgres.port}", lambda: probe.postgres(s.postgres)),
    "trino": lambda s: (f"{s.trino.host}:{s.trino.port}", lambda: probe.trino(s.trino, "SELECT 1")),
}


def _external_question(settings: Settings, name: str) -> Callable[[], ServiceStatus]:
    address, ask = _EXTERNAL[name](settings)

    def question() -> ServiceStatus:
        answer = ask()
        state = ServiceState.READY if answer.ok else ServiceState.SILENT
        return ServiceStatus(service=name, state=state, address=address, detail=answer.detail)

    return question


def _child_question(project: Project, state: StackState, service: Service) -> Callable[[], ServiceStatus]:
    def question() -> ServiceStatus:
        child = state.children.get(service.name)
        live = None if child is None else process.find(child, project)
        log = str(project.logs / f"{service.name}.log")
        if child is None or live is None:
            return ServiceStatus(
                service=service.name,
                state=ServiceState.STOPPED if child is None else ServiceState.DEAD,
                address=service.address(),
                detail="" if child is None else f"process {child.pid} is gone; lake up replaces it",
                log=log,
            )
        answer = service.probe(starting=False)
        return ServiceStatus(
            service=service.name,
            state=ServiceState.READY if answer.ok else ServiceState.SILENT,
            address=service.address(),
            detail=answer.detail,
            pid=child.pid,
            memory_mb=process.memory_mb(live),
            log=log,
        )

    return question


def _in_parallel(questions: list[Callable[[], ServiceStatus]]) -> tuple[ServiceStatus, ...]:
    with ThreadPoolExecutor(max_workers=len(questions)) as pool:
        return tuple(pool.map(lambda question: question(), questions))

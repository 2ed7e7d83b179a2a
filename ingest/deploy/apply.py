"""Carry out a deploy: each table in a commit of its own, in an order that any crash may cut off.

A contract changes:
1. It is written down, so that a writer that finds it in a table can look it up.
2. The quarantine table is held to it; from here on no writer of the old version adds a bad record.
3. The table follows it and is held to it, in one commit. A batch under way loses its commit, looks, and
   is judged again by the new version; what it quarantined before step 2 is final (design §4).

A stream joins a topic that others land:
1. It is written down.
2. The tables of the others say that it is coming, quarantine first: their writers wait. After the last
   one nothing of the topic is committed, so the positions stand.
3. Its own tables are made. It owns its label from the highest position of any table on, and begins there.
4. The tables of the others learn the new routing and no longer wait.
Cut off, a repetition takes it up: until step 4 is done the positions still stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ingest.deploy.history import record_deployed
from ingest.deploy.plan import DeployPlan, Kind, Standing, deploying_mark
from ingest.positions import read_positions, to_properties
from ingest.tables import ensure_quarantine, ensure_raw, quarantine_name, raw_name
from lake.broker import describe_topic
from lake.catalog import LakeCatalog, Landed, TableState, commit, load_table, plan_growth
from lake.clock import Clock, Deadline
from lake.contracts import Contract, Routing, fence_properties, raw_fields
from lake.contracts.fence import DEPLOYING, ROUTING
from lake.contracts.routing import Member, from_text, to_text
from lake.errors import ConflictError, HistoryError, UnavailableError
from lake.log import get_logger
from lake.settings import Settings
from lake.types import Offset, Partition, TableName

log = get_logger("ingest")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def read_standings(
    catalog: LakeCatalog, settings: Settings, contracts: Mapping[str, Contract]
) -> dict[str, Standing]:
    """Return the tables of some streams as they stand."""
    landing = settings.landing
    return {
        stream: Standing(
            raw=load_table(catalog, raw_name(landing, contract)),
            quarantine=load_table(catalog, quarantine_name(landing, contract)),
        )
        for stream, contract in contracts.items()
    }


def apply_deploy(
    catalog: LakeCatalog,
    settings: Settings,
    plan: DeployPlan,
    standings: Mapping[str, Standing],
    clock: Clock,
) -> None:
    """Do what the plan says; repeating it after any error, or a kill, is safe.

    Raises UnavailableError, OutcomeUnknownError, HistoryError (somebody replaced a table) and
    ConflictError (others kept committing).
    """
    deploy = _Deploy(
        catalog, settings, plan.contract, Deadline.after(settings.landing.deadline_seconds, clock)
    )
    match plan.kind:
        case Kind.NOTHING:
            return
        case Kind.CREATE:
            deploy.create(plan.routing)
        case Kind.CHANGE:
            deploy.change(plan.routing)
        case Kind.JOIN:
            assert plan.routing is not None
            deploy.join(plan.routing, {s: standings[s] for s in plan.siblings})
    log.info(
        "contract.deployed", stream=plan.contract.stream, version=plan.contract.version, kind=plan.kind.value
    )


class _Deploy:
    """One deploy of one stream."""

    def __init__(
        self, catalog: LakeCatalog, settings: Settings, contract: Contract, deadline: Deadline
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._contract = contract
        self._deadline = deadline

    def create(self, routing: Routing | None) -> None:
        record_deployed(self._settings.postgres, self._contract)
        ensure_quarantine(self._catalog, self._settings.landing, self._contract, routing)
        ensure_raw(self._catalog, self._settings.landing, self._contract, routing)

    def change(self, routing: Routing | None) -> None:
        held = fence_properties(self._contract, routing)
        landing = self._settings.landing
        record_deployed(self._settings.postgres, self._contract)  # 1
        ensure_quarantine(self._catalog, landing, self._contract, routing)
        self._commit(quarantine_name(landing, self._contract), held)  # 2
        described = {**held, "comment": self._contract.description}
        self._commit(raw_name(landing, self._contract), described, grows=True)  # 3
        ensure_raw(self._catalog, landing, self._contract, routing)  # its view shows new columns

    def join(self, routing: Routing, others: Mapping[str, Standing]) -> None:
        record_deployed(self._settings.postgres, self._contract)  # 1
        tables = [state.name for standing in others.values() for state in standing.tables]
        own = load_table(self._catalog, raw_name(self._settings.landing, self._contract))
        if own is not None and (text := own.properties.get(ROUTING)):
            joined = from_text(text, table=str(own.name))  # cut off in step 3 or 4: all wait, or know already
        else:
            coming = {DEPLOYING: deploying_mark(self._contract)}
            joined = self._joined(routing, [self._commit(name, coming) for name in tables])  # 2
        self._open_at(joined)  # 3
        for name in tables:
            self._commit(name, {ROUTING: to_text(joined), DEPLOYING: ""})  # 4

    def _joined(self, routing: Routing, standing: list[TableState]) -> Routing:
        """Return the routing of the streams that have tables and this one, with every `since`."""
        since = {m.stream: m.since for state in standing for m in _present(state)}
        since |= {state.name.name: since.get(state.name.name, {}) for state in standing}
        since[self._contract.stream] = self._highest(standing)
        members = (replace(m, since=since[m.stream]) for m in routing.members if m.stream in since)
        return replace(routing, members=tuple(members))

    def _highest(self, standing: list[TableState]) -> dict[Partition, Offset]:
        """Return the highest position of any table, by partition."""
        topic = describe_topic(self._settings.broker, self._contract.topic)
        found: dict[Partition, Offset] = {}
        if topic is None:
            return found
        for state in standing:
            positions = read_positions(state, cluster=self._settings.broker.cluster, topic_id=topic.id)
            for partition, position in positions.items():
                found[partition] = max(position.offset, found.get(partition, Offset(0)))
        return found

    def _open_at(self, routing: Routing) -> None:
        """Make the tables, and let landing begin where the stream owns records."""
        cut = next(m.since for m in routing.members if m.stream == self._contract.stream)
        landing, contract = self._settings.landing, self._contract
        ensure_quarantine(self._catalog, landing, contract, routing)
        raw = ensure_raw(self._catalog, landing, contract, routing)
        topic = describe_topic(self._settings.broker, contract.topic)
        if not cut or topic is None:
            return
        cluster = self._settings.broker.cluster
        if read_positions(raw, cluster=cluster, topic_id=topic.id):
            return
        outcome = commit(
            self._catalog,
            raw,
            files=(),
            properties=lambda snapshot: to_properties(cluster, topic.id, cut, snapshot),
            deadline=self._deadline,
        )
        if not isinstance(outcome, Landed):
            raise ConflictError(
                f"{raw.name} is landed already", hint=f"lake contract deploy {contract.stream}"
            )

    def _commit(self, name: TableName, properties: Mapping[str, str], *, grows: bool = False) -> TableState:
        """Set properties, and let the columns follow, on top of whatever landing commits meanwhile."""
        attempt = 0
        while True:
            state = load_table(self._catalog, name)
            if state is None:
                raise HistoryError(f"{name} was dropped while it was deployed to", hint="lake ingest status")
            growth = plan_growth(name, state.handle.schema(), raw_fields(self._contract)) if grows else ()
            if not growth and state.properties.items() >= properties.items():
                return state
            outcome = commit(
                self._catalog,
                state,
                files=(),
                properties=properties,
                growth=growth,
                deadline=self._deadline,
            )
            if isinstance(outcome, Landed):
                return outcome.state
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
            self._deadline.clock.sleep(min(pause, self._deadline.remaining()))
            if self._deadline.expired():
                raise UnavailableError(
                    "catalog", f"{name}: landing kept committing first; nothing was changed"
                )
            attempt += 1


def _present(state: TableState) -> tuple[Member, ...]:
    text = state.properties.get(ROUTING)
    return from_text(text, table=str(state.name)).members if text else ()

"""Open streams for landing: their topics, their tables, a lane for each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ingest.care import TableCare
from ingest.deploy.history import find_deployed
from ingest.intake import DecodePool
from ingest.lane import Lane
from ingest.quarantine.breaker import StreamBreaker
from ingest.report import Observer
from ingest.schemas import SchemaDesk
from ingest.stream_tables import StreamTables
from ingest.tables import find_routing, raw_name
from ingest.writer import Writer
from lake.broker import Topic, describe_topics, full_name
from lake.catalog import LakeCatalog, load_table
from lake.clock import Clock
from lake.contracts import Contract, ContractMovedError, Routing
from lake.contracts.fence import CONTRACT, DEPLOYING
from lake.errors import HistoryError, TerminalError
from lake.log import get_logger
from lake.settings import Settings

log = get_logger("ingest")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What all lanes of a process share; `project` are all contracts, whichever of them land here."""

    settings: Settings
    project: Sequence[Contract]
    catalog: LakeCatalog
    decoders: DecodePool
    committers: ThreadPoolExecutor
    schemas: SchemaDesk
    clock: Clock
    observer: Observer
    care: TableCare

    def open(self, contracts: Sequence[Contract]) -> tuple[list[Lane], list[Exception]]:
        """Return a lane for each stream that can land, and the errors of those that can't.

        Raises UnavailableError when broker, catalog or storage don't answer.
        """
        topics = describe_topics(self.settings.broker, {contract.topic for contract in contracts})
        failures: list[Exception] = []
        # All routings first: a table that is created shows the topic's other streams as landing already.
        asked = [(c, self.committers.submit(self._route, c)) for c in contracts]
        routed = [(c, r) for c, future in asked if (r := _result(c, future, failures)) is not None]
        opened = [(c, self.committers.submit(self._open, c, topics[c.topic], r)) for c, r in routed]
        lanes = [lane for c, future in opened if (lane := _result(c, future, failures)) is not None]
        return lanes, failures

    def reopen(self, lane: Lane) -> Lane | None:
        """Return a lane by the contract that a stream's table is held to; None while a deploy is under way.

        Raises HistoryError when nobody knows that contract.
        """
        state = load_table(self.catalog, raw_name(self.settings.landing, lane.contract))
        if state is None:
            raise HistoryError(f"the table of {lane.stream} was dropped", hint="lake ingest status")
        if state.properties.get(DEPLOYING):
            return None
        contract = find_deployed(self.settings.postgres, lane.stream, state.properties.get(CONTRACT, ""))
        project = [contract if c.stream == contract.stream else c for c in self.project]
        routing = find_routing(self.catalog, self.settings.landing, contract, project)
        try:
            found = self._open(contract, lane.topic, routing)
        except ContractMovedError:
            return None  # the two tables are held to different ones for a moment
        found.follow(lane)
        return found

    def _route(self, contract: Contract) -> Routing:
        return find_routing(self.catalog, self.settings.landing, contract, self.project)

    def _open(self, contract: Contract, topic: Topic | None, routing: Routing) -> Lane:
        if topic is None:
            name = full_name(self.settings.broker, contract.topic)
            raise HistoryError(
                f"there is no topic {name}, which contract {contract.stream} names",
                hint="create it, or let its source produce to it first (demo: lake demo replay)",
            )
        landing = self.settings.landing
        breaker = StreamBreaker(self.settings.postgres, contract, self.clock)
        breaker.begin()
        tables = StreamTables(
            settings=self.settings, catalog=self.catalog, contract=contract, topic=topic, routing=routing
        )
        writer = Writer(
            settings=landing,
            tables=tables,
            contract=contract,
            topic=topic,
            clock=self.clock,
            breaker=breaker,
        )
        return Lane(
            contract=contract,
            topic=topic,
            writer=writer,
            decoders=self.decoders,
            committers=self.committers,
            schemas=self.schemas,
            routing=routing,
            settings=landing,
            clock=self.clock,
            observer=self.observer,
            care=self.care,
        )


def _result(contract: Contract, future: Future[_T], failures: list[Exception]) -> _T | None:
    """Return what a future gives; an error that only this stream has goes to `failures`."""
    try:
        return future.result()
    except TerminalError as error:
        log.error("stream.stopped", stream=contract.stream, reason=error.message)  # noqa: TRY400  no defect of ours: no traceback
        failures.append(error)
        return None

"""Open streams for landing: their topics, their tables, a lane for each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ingest.care import TableCare
from ingest.intake import DecodePool
from ingest.lane import Lane
from ingest.quarantine.breaker import StreamBreaker
from ingest.report import Observer
from ingest.schemas import SchemaDesk
from ingest.tables import open_quarantine, open_raw
from ingest.writer import Writer
from lake.broker import Topic, describe_topics, full_name
from lake.catalog import LakeCatalog
from lake.clock import Clock
from lake.contracts import Contract
from lake.errors import HistoryError, TerminalError
from lake.log import get_logger
from lake.settings import Settings

log = get_logger("ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What all lanes of a process share."""

    settings: Settings
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
        opened = [self.committers.submit(self._open, c, topics[c.topic]) for c in contracts]
        lanes: list[Lane] = []
        failures: list[Exception] = []
        for contract, lane in zip(contracts, opened, strict=True):
            self._collect(contract, lane, lanes, failures)
        return lanes, failures

    @staticmethod
    def _collect(
        contract: Contract, opened: Future[Lane], lanes: list[Lane], failures: list[Exception]
    ) -> None:
        try:
            lanes.append(opened.result())
        except TerminalError as error:
            log.error("stream.stopped", stream=contract.stream, reason=error.message)  # noqa: TRY400  no defect of ours: no traceback
            failures.append(error)

    def _open(self, contract: Contract, topic: Topic | None) -> Lane:
        if topic is None:
            name = full_name(self.settings.broker, contract.topic)
            raise HistoryError(
                f"there is no topic {name}, which contract {contract.stream} names",
                hint="create it, or let its source produce to it first (demo: lake demo replay)",
            )
        landing = self.settings.landing
        breaker = StreamBreaker(self.settings.postgres, contract, self.clock)
        breaker.begin()
        writer = Writer(
            settings=self.settings,
            catalog=self.catalog,
            contract=contract,
            topic=topic,
            raw=open_raw(self.catalog, landing, contract),
            quarantine=open_quarantine(self.catalog, landing, contract),
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
            settings=landing,
            clock=self.clock,
            observer=self.observer,
            care=self.care,
        )

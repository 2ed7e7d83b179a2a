"""A topic landed under a contract that was too strict, and the oracle for what a replay leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ingest.deploy.history import record_deployed
from ingest.landing import run_streams
from ingest.quarantine.cause import Cause
from ingest.quarantine.reading import QuarantineReader
from ingest.replay import ReplayReport, Who
from ingest.replay import replay as replay_records
from lake.catalog import LakeCatalog, TableState, load_table, open_catalog
from lake.clock import SystemClock
from lake.contracts import Contract, fence_properties, parse_contract
from lake.mesh.session import Session
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.topic_world import POISON, STREAM, TopicWorld, fingerprint, transactions, wanted

QUANTITY = Cause.parse("transactions/minimum/quantity")
VALUE = Cause.parse("transactions/maximum/sales_value")
ADA = Who(actor="ada", reason="the rule was wrong")


def strict() -> Contract:
    """Return an older contract that refuses most records, many for two reasons."""
    text = transactions().text
    for true, wrong in (
        ("version: 1.0.0", "version: 0.9.0"),
        ("{format: i64, minimum: 0}", "{format: i64, minimum: 2}"),
        ("{minimum: 0}", "{minimum: 0, maximum: 50}"),
    ):
        text = text.replace(true, wrong, 1)
    return parse_contract(text)


def hold_to(settings: Settings, contract: Contract) -> None:
    """Hold a stream's tables to a contract, as a deploy leaves them; nothing else may commit meanwhile."""
    record_deployed(settings.postgres, contract)
    catalog = open_catalog(settings)
    for schema in (settings.landing.raw_schema, settings.landing.quarantine_schema):
        state = load_table(catalog, TableName(schema=schema, name=contract.stream))
        assert state is not None
        state.handle.transaction().set_properties(fence_properties(contract)).commit_transaction()


class RefusedWorld:
    """Most of the topic's records lie in quarantine; under the true contract only poison stays there."""

    def __init__(self, settings: Settings, session: Session, *, count: int = 150) -> None:
        self.settings = settings
        self.session = session
        self._log: dict[tuple[int, int], bytes | None] = {}
        self.topic = TopicWorld(settings, poison_every=29, contract=strict())
        self.topic.produce(count)
        run_streams(settings, [strict()])
        hold_to(settings, transactions())

    def land(self, count: int) -> None:
        """Produce records and land them as if the contract that refuses most were still deployed."""
        self.topic.produce(count)
        with self.held(strict(), afterwards=transactions()):
            run_streams(self.settings, [strict()])

    @contextmanager
    def held(self, contract: Contract, *, afterwards: Contract) -> Iterator[None]:
        """Hold the tables to a contract, and to another one afterwards."""
        hold_to(self.settings, contract)
        yield
        hold_to(self.settings, afterwards)

    def replay(
        self,
        cause: Cause | None = None,
        *,
        contract: Contract | None = None,
        catalog: LakeCatalog | None = None,
    ) -> ReplayReport:
        """Replay as the command does; `catalog` may be one that fails. Threads may call it."""
        reader = self.reader(catalog)
        return replay_records(reader, contract or transactions(), cause=cause, who=ADA, clock=SystemClock())

    def reader(self, catalog: LakeCatalog | None = None) -> QuarantineReader:
        """Return a reader on a cursor of its own: opening an engine takes longer than most tests."""
        session = replace(
            self.session,
            catalog=catalog or self.session.catalog,
            connection=self.session.connection.cursor(),
        )
        return QuarantineReader(settings=self.settings, session=session)

    def raw_state(self) -> TableState:
        name = TableName(schema=self.settings.landing.raw_schema, name=STREAM)
        state = load_table(open_catalog(self.settings), name)
        assert state is not None
        return state

    def open_coordinates(self) -> set[tuple[int, int]]:
        """Return partition and offset of the records that quarantine still shows as open."""
        found = self.reader().open_records(STREAM)
        return set(zip(found["partition"].to_pylist(), found["offset"].to_pylist(), strict=True))

    def log(self) -> dict[tuple[int, int], bytes | None]:
        """Read the topic, again only when it grew."""
        if len(self._log) != self.topic.produced:
            self._log = self.topic.log()
        return self._log

    def check(self) -> None:
        """Every record of the topic is in exactly one of table and open quarantine, with its values."""
        log, raw, still = self.log(), self.topic.raw(), self.open_coordinates()
        assert len(log) == self.topic.produced
        landed = Counter((r["meta"]["partition"], r["meta"]["offset"]) for r in raw)
        assert [place for place, count in landed.items() if count > 1] == []
        assert landed.keys() & still == set()
        assert landed.keys() | still == log.keys()
        for row in raw:
            assert fingerprint(row) == wanted(log[row["meta"]["partition"], row["meta"]["offset"]])

    def check_all_landed(self) -> None:
        """Besides: only poison is open, and no replay is left half recorded."""
        self.check()
        log = self.log()
        assert self.open_coordinates() == {place for place, value in log.items() if value in POISON}
        kept = [key for key in self.raw_state().properties if key.startswith("ingest.replay.")]
        assert kept == []

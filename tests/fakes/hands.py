"""A writer and its batch held still, so that the world can move between reading and committing."""

from __future__ import annotations

from concurrent.futures import Future

from ingest.batch import Batch, Checked, Range, RecordCheck
from ingest.schemas import ContractSchemas, SchemaDesk
from ingest.stream_tables import StreamTables
from ingest.writer import Writer
from lake.broker import LogReader, Shard, describe_topic
from lake.catalog import LakeCatalog, open_catalog
from lake.clock import SystemClock
from lake.contracts import Contract
from lake.settings import RegistrySettings, Settings
from lake.types import Offset


class Hands:
    """One process that lands a stream, step by step; `schemas` are those that it has looked up."""

    def __init__(
        self,
        settings: Settings,
        contract: Contract,
        *,
        schemas: SchemaDesk | None = None,
        catalog: LakeCatalog | None = None,
    ) -> None:
        self._settings, self._contract = settings, contract
        self._schemas = schemas or no_schemas()
        shared = catalog or open_catalog(settings)
        topic = describe_topic(settings.broker, contract.topic)
        assert topic is not None
        self._topic = topic
        self.tables = StreamTables(settings=settings, catalog=shared, contract=contract, topic=topic)
        self.writer = Writer(
            settings=settings.landing,
            tables=self.tables,
            contract=contract,
            topic=topic,
            clock=SystemClock(),
        )
        self.stored = self.tables.positions(self.tables.raw)

    def read(self) -> Batch:
        """Read everything behind the stored positions."""
        reader = LogReader(self._settings.broker, group="hands")
        partitions = self._topic.partitions
        starts = {p: self.stored[p].offset if p in self.stored else None for p in partitions}
        reader.assign({Shard(self._topic.name, p): offset for p, offset in starts.items()})
        check, parts, ranges, ended = RecordCheck(self._contract, self._schemas), {}, {}, set()
        while len(ended) < len(partitions):
            polled = reader.poll(records=10_000, seconds=0.5)
            ended |= polled.ended.keys()
            for chunk in polled.chunks:
                done: Future[Checked] = Future()
                done.set_result(check.check(chunk))
                parts.setdefault(chunk.partition, []).append(done)
                ranges[chunk.partition] = Range(
                    expected=starts[chunk.partition], next=Offset(chunk.offsets[-1] + 1)
                )
        reader.close()
        return Batch(ranges=ranges, parts=parts, records=sum(map(len, parts.values())))


def no_schemas() -> SchemaDesk:
    """Return lookups that find nothing."""
    return SchemaDesk(RegistrySettings(), SystemClock(), lambda: ContractSchemas({}))

"""How far landing is: position, end and lag of every partition, from the tables and the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.positions import Position, read_positions
from ingest.tables import quarantine_name, raw_name
from lake.broker import describe_topic, read_ends
from lake.catalog import LakeCatalog, load_table, open_catalog
from lake.contracts import Contract
from lake.errors import HistoryError
from lake.settings import Settings
from lake.types import Offset, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One partition: `position` is the next offset to land, `end` the next one to be produced."""

    partition: Partition
    position: Offset
    end: Offset

    @property
    def lag(self) -> int:
        """Records that wait; below zero when the log is shorter than what has landed."""
        return self.end - self.position


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One stream; without a topic or a table its figures are zero. `problem` tells what stops landing."""

    stream: str
    topic: str
    table: str
    rows: int
    quarantined: int
    last_commit: datetime | None
    partitions: tuple[PartitionStatus, ...]
    problem: str = ""

    @property
    def lag(self) -> int:
        return sum(p.lag for p in self.partitions)


def read_status(
    settings: Settings, contracts: Sequence[Contract], *, catalog: LakeCatalog | None = None
) -> tuple[StreamStatus, ...]:
    """Return the status of every stream; reads no data, changes nothing.

    Raises UnavailableError when broker or catalog don't answer.
    """
    shared = catalog or open_catalog(settings)
    return tuple(_stream(settings, shared, contract) for contract in contracts)


def _stream(settings: Settings, catalog: LakeCatalog, contract: Contract) -> StreamStatus:
    raw = load_table(catalog, raw_name(settings.landing, contract))
    quarantine = load_table(catalog, quarantine_name(settings.landing, contract))
    topic = describe_topic(settings.broker, contract.topic)
    stored: dict[Partition, Position] = {}
    problem = "" if topic is not None else "the topic does not exist"
    if raw is not None and topic is not None:
        try:
            stored = read_positions(raw, cluster=settings.broker.cluster, topic_id=topic.id)
        except HistoryError as error:
            problem = error.message
    reached = {partition: position.offset for partition, position in stored.items()}
    ends = read_ends(settings.broker, contract.topic, near=reached) if topic is not None else {}
    partitions = tuple(
        PartitionStatus(partition=p, position=reached.get(p, Offset(0)), end=end)
        for p, end in sorted(ends.items())
    )
    return StreamStatus(
        stream=contract.stream,
        topic=contract.topic,
        table=str(raw_name(settings.landing, contract)),
        rows=raw.rows if raw is not None else 0,
        quarantined=quarantine.rows if quarantine is not None else 0,
        last_commit=raw.committed_at if raw is not None else None,
        partitions=partitions,
        problem=problem or ("the log ends before the position" if any(p.lag < 0 for p in partitions) else ""),
    )

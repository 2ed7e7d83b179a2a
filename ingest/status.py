"""How far landing is: position, end and lag of every partition, from the tables and the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ingest.pace import NO_PACE, Pace, read_pace
from ingest.positions import Position, read_positions
from ingest.tables import quarantine_name, raw_name
from lake.broker import describe_topic, read_true_ends
from lake.catalog import LakeCatalog, load_table, open_catalog
from lake.clock import Clock, SystemClock
from lake.contracts import Contract
from lake.control.breakers import read_open_breakers
from lake.errors import HistoryError, UnavailableError
from lake.settings import Settings
from lake.types import Offset, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One partition: `position` is the next offset to land, `end` the next one to be produced.

    `produced_at` is when the newest record that landed or was refused was produced; `lag_seconds` how long
    ago that was while records wait, 0 when none does, None where nobody knows.
    """

    partition: Partition
    position: Offset
    end: Offset
    produced_at: datetime | None = None
    lag_seconds: float | None = None

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
    pace: Pace = NO_PACE
    breaker: str = "closed"  # open, or unknown while PostgreSQL doesn't answer

    @property
    def lag(self) -> int:
        return sum(p.lag for p in self.partitions)

    @property
    def lag_seconds(self) -> float | None:
        """The largest of the partitions; None where none is known."""
        return max((p.lag_seconds for p in self.partitions if p.lag_seconds is not None), default=None)


def read_status(
    settings: Settings,
    contracts: Sequence[Contract],
    *,
    catalog: LakeCatalog | None = None,
    clock: Clock | None = None,
) -> tuple[StreamStatus, ...]:
    """Return the status of every stream; reads no data, changes nothing.

    Raises UnavailableError when broker or catalog don't answer.
    """
    shared, now = catalog or open_catalog(settings), (clock or SystemClock()).now()
    breakers = breakers_of(settings, [contract.stream for contract in contracts])
    return tuple(
        replace(_stream(settings, shared, contract, now), breaker=breakers[contract.stream])
        for contract in contracts
    )


def breakers_of(settings: Settings, streams: Sequence[str]) -> dict[str, str]:
    """Return `open`, `closed` or `unknown` for each stream: a status is of use without PostgreSQL too."""
    try:
        found = read_open_breakers(settings.postgres)
    except UnavailableError:
        return dict.fromkeys(streams, "unknown")
    open_ones = {state.stream for state in found}
    return {stream: "open" if stream in open_ones else "closed" for stream in streams}


def _stream(settings: Settings, catalog: LakeCatalog, contract: Contract, now: datetime) -> StreamStatus:
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
    ends = read_true_ends(settings.broker, contract.topic, near=reached) if topic is not None else {}
    partitions = tuple(_partition(p, stored.get(p), end, now) for p, end in sorted(ends.items()))
    return StreamStatus(
        stream=contract.stream,
        topic=contract.topic,
        table=str(raw_name(settings.landing, contract)),
        rows=raw.rows if raw is not None else 0,
        quarantined=quarantine.rows if quarantine is not None else 0,
        last_commit=raw.committed_at if raw is not None else None,
        pace=read_pace(raw, quarantine),
        partitions=partitions,
        problem=problem or ("the log ends before the position" if any(p.lag < 0 for p in partitions) else ""),
    )


def _partition(
    partition: Partition, position: Position | None, end: Offset, now: datetime
) -> PartitionStatus:
    reached = position.offset if position is not None else Offset(0)
    produced = position.produced_at if position is not None else None
    seconds = None if produced is None else max(0.0, (now - produced).total_seconds())
    return PartitionStatus(
        partition=partition,
        position=reached,
        end=end,
        produced_at=produced,
        lag_seconds=0.0 if end <= reached else seconds,
    )

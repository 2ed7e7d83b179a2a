"""One stream while it lands: where its tables stand, its open batch, its commit under way (design §4).

The numbers are the steps of "Land a batch". What reads the log is a feed; it serves several lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from ingest.anteroom import Anteroom
from ingest.aside import Aside
from ingest.batch import Batch, Range, RecordCheck
from ingest.care import TableCare
from ingest.flow import Load
from ingest.intake import DecodePool, Intake
from ingest.looks import Looks
from ingest.positions import Position, check_history, check_log
from ingest.report import Observer, Progress, StreamReport
from ingest.routing import Router
from ingest.schemas import SchemaDesk
from ingest.writer import Writer
from ingest.written import Written
from lake.broker import Chunk, Shard, Topic
from lake.clock import Clock
from lake.contracts import Contract, ContractMovedError, Framing, Routing
from lake.log import get_logger
from lake.settings import LandingSettings
from lake.types import Offset, Partition

log = get_logger("ingest")


class Lane:
    """Used by the reading thread alone; `failure` is set once the stream can't go on."""

    def __init__(
        self,
        *,
        contract: Contract,
        topic: Topic,
        writer: Writer,
        decoders: DecodePool,
        committers: ThreadPoolExecutor,
        schemas: SchemaDesk,
        routing: Routing,
        settings: LandingSettings,
        clock: Clock,
        observer: Observer,
        care: TableCare,
    ) -> None:
        self._care = care
        self.contract = contract
        self.topic = topic
        self.failure: Exception | None = None
        self._writer = writer
        self._tables = writer.tables
        self._committers = committers
        self._clock = clock
        self._observer = observer
        self._check = RecordCheck(contract, schemas)
        framed = contract.framing is Framing.REGISTRY
        router = None if routing.is_trivial else Router(routing, contract.stream, schemas, framed=framed)
        self._intake = Intake(self._check, decoders, settings, clock, router)
        self._anteroom = Anteroom(contract.stream, self._check.needs, schemas)
        self._in_flight: tuple[Future[Written], int] | None = None
        self._stored: dict[Partition, Position] = {}
        self._landed: dict[Partition, Offset] = {}
        self._settings = settings
        self._looks = Looks(settings.look_seconds)
        self._partitions: tuple[Partition, ...] = ()
        self._done = Written()
        self._ended_at = clock.monotonic()
        self._is_fresh = True  # the tables were loaded just now
        self._aside: Aside | None = None  # the table is held to another contract by now
        self._is_away = False  # the partitions may be somebody else's: nothing is taken or committed
        self.must_restart = False  # somebody else moved what a commit was to move

    @property
    def stream(self) -> str:
        return self.contract.stream

    @property
    def is_committing(self) -> bool:
        return self._in_flight is not None

    @property
    def is_waiting(self) -> bool:
        """Tell whether records wait for the lookup of a schema."""
        return self._anteroom.is_waiting

    @property
    def commit_under_way(self) -> Future[Written] | None:
        return self._in_flight[0] if self._in_flight is not None else None

    def begin(self, partitions: Sequence[Partition], start_of: Callable[[Partition], Offset]) -> None:
        """1 Read the positions and check that they are still true; then `wants` tells where to start.

        `partitions` are all that this lane reads from now on. What is open of one stays when its table
        still stands where the open batch begins: a rebalance that gives it back costs nothing.
        """
        self.settle()
        self._anteroom.clear()
        for partition in set(self._partitions) - set(partitions):
            self._intake.end(partition)
        if self.must_restart or set(partitions) - set(self._partitions):
            self._begin_anew(partitions, start_of)
        self._partitions = tuple(partitions)
        self._is_away = self.must_restart = False

    def _begin_anew(self, partitions: Sequence[Partition], start_of: Callable[[Partition], Offset]) -> None:
        tables = self._tables
        if not self._is_fresh:
            tables.reload()
        self._is_fresh = False
        self._writer.begin()
        stored, quarantined = tables.positions(tables.raw), tables.positions(tables.quarantine)
        for partition in partitions:
            position, beyond = stored.get(partition), quarantined.get(partition)
            if position is not None:
                check_history(tables.raw, partition, position)
                # Asked before anything is fetched: behind a waiting fetch the answer takes its time too.
                check_log(self.topic.name, partition, position, start=start_of(partition), end=None)
            if beyond is not None:
                check_history(tables.quarantine, partition, beyond)
            self._begin_one(partition, position, beyond)
        self._looks.begin(partitions, tables.horizons())
        self._stored = {p: stored[p] for p in partitions if p in stored}
        self._landed |= {p: position.offset for p, position in self._stored.items()}

    def _begin_one(self, partition: Partition, position: Position | None, beyond: Position | None) -> None:
        stands = position.offset if position is not None else None
        low = stands or Offset(0)
        if beyond is None or beyond.offset <= low:
            kept = partition in self._partitions and self._intake.expected(partition) == stands
            if not kept:
                self._intake.begin(partition, stands, frozenset())
            return
        self._intake.begin(partition, stands, self._tables.final(partition, low, beyond.offset))

    @property
    def partitions(self) -> tuple[Partition, ...]:
        return self._partitions

    @property
    def shards(self) -> list[Shard]:
        """The partitions that it reads, as the consumer knows them."""
        return [Shard(self.topic.name, partition) for partition in self._partitions]

    def check_end(self, partition: Partition, end: Offset) -> None:
        """Compare the position with the end of the log, once a fetch has told it."""
        check_log(self.topic.name, partition, self._stored.get(partition), start=None, end=end)

    def take(self, chunk: Chunk) -> None:
        """3 Take what follows on what was taken; decoding and checking begin here, in the pool.

        Records whose schema is not known wait for it, and later ones behind them.
        """
        if self._is_away or self.must_restart:
            return
        self._anteroom.enter(chunk)
        self.take_waiting()

    def take_waiting(self) -> None:
        """Take the records that need wait no longer; raises UnavailableError without a registry's answer."""
        self._anteroom.leave(self._intake.add)

    def look(self, partition: Partition, moment: datetime) -> None:
        """Note that what was in the log by `moment` has been taken."""
        self._looks.note(partition, moment)

    def wants(self, partition: Partition) -> Offset | None:
        """Return the next offset that this lane wants; None: from the log's start."""
        return self._intake.reached(partition)

    def landed(self, partition: Partition) -> Offset:
        """Return up to where a partition has landed, as far as this lane knows."""
        return self._landed.get(partition, Offset(0))

    def has_look(self) -> bool:
        """Tell whether a commit is due that only says how far was read."""
        held = self.is_waiting or self._is_away or self.must_restart
        return not held and self._looks.is_due()

    def load(self) -> Load:
        """Return what the lane holds and wants."""
        return Load(
            open=self._intake.bytes,
            in_flight=self._in_flight[1] if self._in_flight is not None else 0,
            is_due=not self._is_away and not self.must_restart and self._intake.is_full(),
            is_committing=self.is_committing,
            is_waiting=self.is_waiting,
        )

    def hand_over(self) -> None:
        """Give the open batch to the committing threads, once the one before it is settled."""
        self.settle()
        if self.must_restart or self._is_away:
            return
        looked = {} if self.is_waiting else self._looks.known
        batch = self._intake.seal(looked) or (self._look_alone(looked) if self.has_look() else None)
        if batch is not None:
            self._looks.count_as_told()
            self._in_flight = self._committers.submit(self._writer.land, batch), batch.bytes

    def _look_alone(self, looked: Mapping[Partition, datetime]) -> Batch | None:
        """Return a commit of no records that says how far was read; None where nothing ever landed."""
        ranges = {p: Range(expected=o, next=o) for p in self._partitions if (o := self.wants(p)) is not None}
        return Batch(ranges=ranges, parts={}, records=0, looked=looked) if ranges else None

    def wants_a_look(self, now: datetime) -> bool:
        """Tell whether nothing has come for so long that the logs' ends should be asked for again."""
        idle = not (self.is_committing or self.is_waiting or self._is_away or self._intake.records)
        return idle and self._looks.are_old(now)

    def settle(self) -> None:
        """7 Wait for the commit under way and take its result; a stale one asks for a restart."""
        if self._in_flight is None:
            return
        (future, _), self._in_flight = self._in_flight, None
        written = future.result()
        self._ended_at = self._clock.monotonic()
        self._done = self._done.plus(written)
        self._landed |= written.positions
        self._intake.pace(written.files)
        self.must_restart = self.must_restart or bool(written.moved)
        if written.commits:
            self._care.after_commit(self._tables.raw)
            self._care.after_commit(self._tables.quarantine)
            self._observer(
                Progress(
                    stream=self.stream,
                    landed=self._done.landed,
                    quarantined=self._done.quarantined,
                    commits=self._done.commits,
                )
            )

    def go_away(self) -> None:
        """Take and commit nothing until the next `begin`; what is open may be given back by it."""
        self._is_away = True

    @property
    def is_aside(self) -> bool:
        """Tell whether another contract was deployed: nothing lands by this one any more."""
        return self._aside is not None

    def step_aside(self, error: ContractMovedError) -> None:
        """Drop what is not committed; who follows reads it again from where the tables stand."""
        log.info("contract.moved", stream=self.stream, reason=error.message)
        self._aside = Aside(error, seconds=self._settings.deadline_seconds, clock=self._clock)
        kept = self._partitions
        self._drop_all()
        self._partitions = kept

    def stay_aside(self, partitions: Sequence[Partition]) -> None:
        """Take note of what whoever follows has to read."""
        self._partitions = tuple(partitions)

    def may_come_back(self) -> bool:
        """Tell, once a second, that it is time to look what the table is held to."""
        if self._aside is None or not self._aside.is_due():
            return False
        if self._aside.is_over():
            self.fail(self._aside.moved)
            return False
        return True

    def follow(self, before: Lane) -> None:
        """Count on from what a lane of the same stream has landed."""
        self._done = before._done

    def fail(self, error: Exception) -> None:
        """Take no more part; the tables stand where the last commit left them."""
        log.error("stream.stopped", stream=self.stream, topic=self.topic.name, reason=str(error))
        self.failure = error
        self._drop_all()

    def _drop_all(self) -> None:
        self._in_flight = None
        self._anteroom.clear()
        for partition in self._partitions:
            self._intake.end(partition)
        self._partitions = ()

    def report(self, started_at: float) -> StreamReport:
        return StreamReport(
            stream=self.stream,
            topic=self.topic.name,
            table=str(self._tables.raw.name),
            landed=self._done.landed,
            quarantined=self._done.quarantined,
            commits=self._done.commits,
            seconds=max(0.0, self._ended_at - started_at),
            positions=self._landed,
        )

"""Land one stream: read, decode and check, commit; design §4 "Land a batch", the numbers are its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from ingest.batch import RecordCheck
from ingest.intake import Intake
from ingest.positions import Position, check_history, check_log
from ingest.quarantine import final_offsets
from ingest.report import Observer, Progress, StreamReport
from ingest.tables import open_quarantine, open_raw
from ingest.writer import Writer, Written
from lake.broker import Polled, Topic, TopicReader, describe_topic, full_name
from lake.catalog import LakeCatalog, load_table
from lake.clock import Clock
from lake.contracts import Contract
from lake.errors import HistoryError, LakeError
from lake.log import get_logger
from lake.settings import Settings
from lake.types import Offset, Partition

log = get_logger("ingest")

_RECORDS_PER_POLL = 2_000  # more of them at once leave the processor's cache before they are used
_POLL_SECONDS = 0.2
_DECODERS = 1  # Arrow's reader works beside the reading thread; more threads only raise the memory


class StreamLanding:
    """One stream from its topic into its tables; `run` may be called once."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: LakeCatalog,
        contract: Contract,
        clock: Clock,
        observer: Observer,
        stop: Event,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._contract = contract
        self._clock = clock
        self._observer = observer
        self._stop = stop
        self._pool = ThreadPoolExecutor(_DECODERS, f"decode-{contract.stream}")
        self._committer = ThreadPoolExecutor(1, f"commit-{contract.stream}")
        self._intake = Intake(RecordCheck(contract), self._pool, settings.landing, clock)
        self._in_flight: Future[Written] | None = None
        self._failure: BaseException | None = None
        self._stored: dict[Partition, Position] = {}
        self._goals: dict[Partition, Offset] = {}
        self._read_out: set[Partition] = set()
        self._partitions: tuple[Partition, ...] = ()
        self._done = Written(landed=0, quarantined=0, commits=0, positions={})

    def run(self, *, follow: bool) -> StreamReport:
        """Land until every partition is read to the end that it had at first; with `follow` until stopped."""
        topic = self._find_topic()
        landing = self._settings.landing
        self._writer = Writer(
            settings=self._settings,
            catalog=self._catalog,
            contract=self._contract,
            topic=topic,
            raw=open_raw(self._catalog, landing, self._contract),
            quarantine=open_quarantine(self._catalog, landing, self._contract),
            clock=self._clock,
        )
        self._reader = TopicReader(
            self._settings.broker,
            topic.name,
            group=f"lakemesh.{landing.raw_schema}.{self._contract.stream}",
            max_poll_seconds=2 * landing.deadline_seconds + 60,
        )
        try:
            if follow:
                self._reader.subscribe(
                    on_assigned=self._on_assigned, on_revoked=self._on_revoked, on_lost=self._on_lost
                )
            else:
                self._reader.assign(self._begin(topic.partitions))
            log.info("landing.started", stream=self._contract.stream, topic=topic.name)
            started = self._clock.monotonic()
            self._read(follow=follow)
            seconds = self._clock.monotonic() - started
        finally:
            self._committer.shutdown(wait=True)
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._reader.close()
        return StreamReport(
            stream=self._contract.stream,
            topic=topic.name,
            table=str(self._writer.raw.name),
            landed=self._done.landed,
            quarantined=self._done.quarantined,
            commits=self._done.commits,
            seconds=seconds,
            positions={p: position.offset for p, position in self._stored.items()}
            | dict(self._done.positions),
        )

    def _find_topic(self) -> Topic:
        topic = describe_topic(self._settings.broker, self._contract.topic)
        if topic is None:
            name = full_name(self._settings.broker, self._contract.topic)
            raise HistoryError(
                f"there is no topic {name}, which contract {self._contract.stream} names",
                hint="create it, or let its source produce to it first (demo: lake demo replay)",
            )
        return topic

    def _begin(self, partitions: Sequence[Partition]) -> dict[Partition, Offset | None]:
        """1 Read the positions, check that they are still true, and say where to start reading."""
        writer = self._writer
        stored, quarantined = writer.positions(writer.raw), writer.positions(writer.quarantine)
        final: dict[Partition, frozenset[Offset]] = {}
        for partition in partitions:
            position, beyond = stored.get(partition), quarantined.get(partition)
            if position is not None:
                check_history(writer.raw, partition, position)
                # Asked before anything is fetched: behind a waiting fetch the answer takes its time too.
                start = self._reader.start(partition)
                check_log(self._contract.topic, partition, position, start=start, end=None)
            if beyond is not None:
                check_history(writer.quarantine, partition, beyond)
                low = position.offset if position is not None else Offset(0)
                if beyond.offset > low:
                    final[partition] = final_offsets(
                        writer.quarantine,
                        source=full_name(self._settings.broker, self._contract.topic),
                        partition=partition,
                        low=low,
                        high=beyond.offset,
                    )
        self._stored = {p: stored[p] for p in partitions if p in stored}
        self._goals.clear()
        self._read_out.clear()
        self._partitions = tuple(partitions)
        starts = {p: stored[p].offset if p in stored else None for p in partitions}
        self._intake.begin(starts, final)
        return starts

    def _read(self, *, follow: bool) -> None:
        """2 Poll until size, age or memory says so, commit, and go on."""
        records = min(_RECORDS_PER_POLL, self._settings.landing.commit_rows)
        while not self._stop.is_set():
            polled = self._reader.poll(records=records, seconds=_POLL_SECONDS)
            if self._failure is not None:
                raise self._failure
            self._take(polled)
            if self._intake.is_full():
                self._hand_over()
            elif self._in_flight is not None and self._in_flight.done():
                self._settle()
            if not follow and self._is_read_out():
                self._hand_over()
                if self._settle():
                    return
        self._hand_over()
        self._settle()

    def _take(self, polled: Polled) -> None:
        self._watch_logs()
        for chunk in polled.chunks:
            self._intake.add(chunk)  # 3 decoding and checking begin here, in the pool
        self._read_out |= polled.ended.keys()

    def _watch_logs(self) -> None:
        """Compare positions with the logs as soon as a fetch tells where they end."""
        for partition in self._partitions:
            if partition in self._goals:
                continue
            end = self._reader.end(partition)
            if end is None:
                continue
            self._goals[partition] = end
            check_log(self._contract.topic, partition, self._stored.get(partition), start=None, end=end)

    def _is_read_out(self) -> bool:
        return all(
            partition in self._goals
            and (
                partition in self._read_out
                or (self._intake.reached(partition) or Offset(0)) >= self._goals[partition]
            )
            for partition in self._partitions
        )

    def _hand_over(self) -> None:
        """Give the batch to the committing thread, once the one before it is settled."""
        batch = self._intake.seal()
        if batch is None:
            return
        if self._settle():
            self._in_flight = self._committer.submit(self._writer.land, batch)

    def _settle(self) -> bool:
        """7 Wait for the commit under way and take its result; False when everything is read again."""
        written = self._finish_commit()
        if written is None or not written.moved:
            return True
        self._reload()
        self._reader.assign(self._begin(self._partitions))
        return False

    def _finish_commit(self) -> Written | None:
        if self._in_flight is None:
            return None
        future, self._in_flight = self._in_flight, None
        written = future.result()
        self._done = Written(
            landed=self._done.landed + written.landed,
            quarantined=self._done.quarantined + written.quarantined,
            commits=self._done.commits + written.commits,
            positions={**self._done.positions, **written.positions},
        )
        if written.positions:
            self._reader.show_progress(written.positions)
        if written.commits:
            self._observer(
                Progress(
                    stream=self._contract.stream, landed=self._done.landed, quarantined=self._done.quarantined
                )
            )
        return written

    def _reload(self) -> None:
        writer = self._writer
        raw = load_table(self._catalog, writer.raw.name)
        quarantine = load_table(self._catalog, writer.quarantine.name)
        if raw is None or quarantine is None or raw.uuid != writer.raw.uuid:
            raise HistoryError(
                f"{writer.raw.name} or its quarantine was dropped or replaced while landing wrote to it",
                hint="lake ingest status",
            )
        writer.raw, writer.quarantine = raw, quarantine

    def _on_assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, Offset | None]:
        try:
            self._finish_commit()
            self._reload()
            return self._begin(partitions)
        except LakeError as error:
            self._failure = error
            return {}

    def _on_revoked(self, partitions: Sequence[Partition]) -> None:
        """Wait for the commit in flight; what is not committed is somebody else's now."""
        log.info("partitions.revoked", stream=self._contract.stream, partitions=list(partitions))
        try:
            self._finish_commit()
        except LakeError as error:
            self._failure = error
        self._forget()

    def _on_lost(self, partitions: Sequence[Partition]) -> None:
        """Drop the batch: others may own the partitions already, and the catalog decides who was first."""
        log.warning("partitions.lost", stream=self._contract.stream, partitions=list(partitions))
        self._forget()

    def _forget(self) -> None:
        self._partitions = ()
        self._intake.begin({}, {})
        self._goals.clear()

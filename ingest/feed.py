"""Read the topics of several streams with one consumer, and keep their lanes moving (design §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from threading import Event

from ingest.ends import Ends
from ingest.flow import Flow, plan_flow
from ingest.lane import Lane
from ingest.lanes import Lanes
from lake.broker import LogReader, Polled, Shard
from lake.clock import Clock
from lake.contracts import ContractMovedError
from lake.errors import LakeError, TerminalError
from lake.log import get_logger
from lake.settings import LandingSettings
from lake.types import Offset, Partition

log = get_logger("ingest")

_RECORDS_PER_POLL = 2_000  # more of them at once leave the processor's cache before they are used
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 0.5  # a held stream's commit is waited for so long before its shards are paused:
_LONG_PATIENCE_SECONDS = 5.0  # pausing throws away what was fetched ahead. Longer when nobody else waits.


class Feed:
    """One consumer and the lanes that it serves; `run` may be called once, from one thread."""

    def __init__(
        self,
        reader: LogReader,
        lanes: Sequence[Lane],
        *,
        settings: LandingSettings,
        clock: Clock,
        stop: Event,
        reopen: Callable[[Lane], Lane | None],
    ) -> None:
        """Serve these lanes; `reopen` gives one by the contract that its table is held to, None: not yet."""
        self._reader = reader
        self._reopen = reopen
        self.lanes = Lanes(lanes)
        self._settings = settings
        self._clock = clock
        self._stop = stop
        self._failure: BaseException | None = None
        self._ends = Ends(reader)
        self._shards: frozenset[Shard] = frozenset()
        self._paused: frozenset[Shard] = frozenset()
        self._held: tuple[Lane, ...] = ()
        self._flow = Flow(commit=(), hold=frozenset(), tight=False)

    def run(self, *, follow: bool) -> None:
        """Land until every shard is read to the end that it had at first; with `follow` until stopped.

        A stream that can't go on stops alone and the others go on: see `Lane.failure`.
        """
        if follow:
            self._reader.subscribe(
                self.lanes.topics(),
                on_assigned=self._on_assigned,
                on_revoked=self._on_revoked,
                on_lost=self._on_lost,
            )
        else:
            every = [Shard(lane.topic.name, p) for lane in self.lanes for p in lane.topic.partitions]
            self._reader.assign(self._begin(list(dict.fromkeys(every))))
        self._read(follow=follow)

    @staticmethod
    def _guard(lane: Lane, act: Callable[..., object], *arguments: object) -> None:
        """Act for a lane; an error that only its own stream has stops only that one."""
        try:
            act(*arguments)
        except ContractMovedError as error:
            lane.step_aside(error)
        except TerminalError as error:
            lane.fail(error)

    def _read(self, *, follow: bool) -> None:
        """2 Poll until size, age or memory says so, commit, and go on."""
        records = min(_RECORDS_PER_POLL, self._settings.commit_rows)
        while not self._stop.is_set() and (any(self.lanes.alive()) or any(self.lanes.aside())):
            polled = self._reader.poll(records=records, seconds=_POLL_SECONDS)
            if self._failure is not None:
                raise self._failure
            self._take(polled)
            self._keep_moving()
            if not follow and self._is_read_out():
                self._commit_all()
                if not self._restart() and not any(self.lanes.aside()):
                    return
        self._commit_all()

    def _take(self, polled: Polled) -> None:
        self._watch_logs()
        for chunk in polled.chunks:
            for lane in self.lanes.of(chunk.shard.topic):
                self._guard(lane, lane.take, chunk)
        for shard, moment in self._ends.answers(polled.ended, self.lanes.reached).items():
            for lane in self.lanes.of(shard.topic):
                lane.look(shard.partition, moment)

    def _watch_logs(self) -> None:
        """Compare positions with the logs as soon as a fetch tells where they end."""
        for lane in self.lanes.alive():
            for shard in lane.shards:
                if (end := self._ends.learn(shard)) is not None:
                    for reader in self.lanes.of(shard.topic):
                        self._guard(reader, reader.check_end, shard.partition, end)

    def _is_read_out(self) -> bool:
        return not any(self.lanes.aside()) and all(
            not lane.is_waiting and self._ends.has_reached(shard, lane.wants(shard.partition))
            for lane in self.lanes.alive()
            for shard in lane.shards
        )

    def _keep_moving(self) -> None:
        """Settle what is done, commit what is due, hold what has no room, begin anew what is stale."""
        for lane in self.lanes.alive():
            self._guard(lane, lane.take_waiting)
            done = lane.commit_under_way
            if done is not None and done.done():
                self._settle(lane)
        self._restart()
        self._replace()
        self._look_again()
        self._follow_plan()
        if self._wait_for_room():
            self._follow_plan()
        self._pause()

    def _look_again(self) -> None:
        """Ask for the end of quiet logs once in a while, and commit what that says.

        A log's end is told once; only a fetch that is sent later shows that it still is the end.
        """
        now = self._clock.now()
        for lane in self.lanes.alive():
            if not lane.is_committing and lane.has_look():
                self._guard(lane, lane.hand_over)
            elif lane.wants_a_look(now):
                for shard in lane.shards:
                    if shard not in self._paused and self._ends.ask_again(shard, now):
                        self._reader.seek(shard, self.lanes.first_wanted(shard))

    def _follow_plan(self) -> None:
        lanes = tuple(self.lanes.alive())
        self._flow = plan_flow(
            [lane.load() for lane in lanes], limit=self._settings.memory_bytes, was_tight=self._flow.tight
        )
        for place in self._flow.commit:
            self._guard(lanes[place], lanes[place].hand_over)
        self._held = tuple(lanes[place] for place in sorted(self._flow.hold))

    def _wait_for_room(self) -> bool:
        """Wait a little for a held lane's commit; tell whether one ended."""
        waited = {lane.commit_under_way: lane for lane in self._held if lane.commit_under_way is not None}
        if not waited or self._wanted_pauses() <= self._paused:
            return False
        others = any(lane not in self._held for lane in self.lanes.alive())
        patience = _PATIENCE_SECONDS if others else _LONG_PATIENCE_SECONDS
        ended, _ = wait(waited, timeout=patience, return_when=FIRST_COMPLETED)
        for future in ended:
            self._settle(waited[future])
        self._restart()
        return bool(ended)

    def _wanted_pauses(self) -> frozenset[Shard]:
        """Return the shards of lanes that have no room, and those that nobody reads any more."""
        held = {shard for lane in self._held for shard in lane.shards}
        return (self._shards - self.lanes.shards()) | held

    def _pause(self) -> None:
        """Have the reader bring no more of what nobody can take."""
        wanted = self._wanted_pauses()
        if back := self._paused - wanted:
            self._reader.resume(back)
        if more := wanted - self._paused:
            log.info("reading.paused", shards=sorted(map(str, more)), tight=self._flow.tight)
            self._reader.pause(more)
        self._paused = wanted

    def _settle(self, lane: Lane) -> None:
        self._guard(lane, lane.settle)
        if lane.partitions:
            self._reader.show_progress({shard: self.lanes.landed(shard) for shard in lane.shards})

    def _commit_all(self) -> None:
        for lane in self.lanes.alive():
            self._guard(lane, lane.hand_over)
        for lane in self.lanes.alive():
            self._settle(lane)

    def _restart(self) -> bool:
        """Begin lanes anew whose partitions somebody else has moved; tell whether there were any."""
        stale = [lane for lane in self.lanes.alive() if lane.must_restart]
        for lane in stale:
            self._begin_again(lane, lane.partitions)
        return bool(stale)

    def _begin_again(self, lane: Lane, partitions: Sequence[Partition]) -> None:
        self._guard(lane, lane.begin, partitions, self._start_of(lane))
        for partition in partitions:
            shard = Shard(lane.topic.name, partition)
            self._ends.forget(shard, self._clock.now())
            self._reader.seek(shard, self.lanes.first_wanted(shard))

    def _replace(self) -> None:
        """Go on with the contract that a table is held to by now, where one was deployed meanwhile."""
        for lane in self.lanes.aside():
            if not lane.may_come_back():
                continue
            try:
                successor = self._reopen(lane)
            except TerminalError as error:
                lane.fail(error)
                continue
            if successor is None:
                continue
            log.info("contract.followed", stream=lane.stream, version=successor.contract.version)
            self.lanes.replace(lane, successor)
            self._begin_again(successor, lane.partitions)

    def _start_of(self, lane: Lane) -> Callable[[Partition], Offset]:
        return lambda partition: self._reader.start(Shard(lane.topic.name, partition))

    def _begin(self, shards: Sequence[Shard]) -> dict[Shard, Offset | None]:
        """1 Let each lane read its positions, and start every shard where the first of them stands."""
        self._shards, self._paused = frozenset(shards), frozenset()
        self._ends.begin(shards, self._clock.now())
        for lane in self.lanes.aside():
            lane.stay_aside([shard.partition for shard in shards if shard.topic == lane.topic.name])
        for lane in self.lanes.alive():
            own = [shard.partition for shard in shards if shard.topic == lane.topic.name]
            self._guard(lane, lane.begin, own, self._start_of(lane))
        return {shard: self.lanes.first_wanted(shard) for shard in shards}

    def _on_assigned(self, shards: Sequence[Shard]) -> Mapping[Shard, Offset | None]:
        log.info("shards.assigned", count=len(shards))
        try:
            return self._begin(shards)
        except LakeError as error:
            self._failure = error
            return {}

    def _on_revoked(self, shards: Sequence[Shard]) -> None:
        """Wait for the commits in flight; what is not committed may be somebody else's now."""
        log.info("shards.revoked", count=len(shards))
        for lane in self.lanes.alive():
            try:
                self._guard(lane, lane.settle)
            except LakeError as error:
                self._failure = error
            lane.go_away()

    def _on_lost(self, shards: Sequence[Shard]) -> None:
        """Take no more: others may own the shards already, and the catalog decides who was first."""
        log.warning("shards.lost", count=len(shards))
        for lane in self.lanes.alive():
            lane.go_away()

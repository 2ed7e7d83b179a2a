"""Read the topics of several streams with one consumer, and keep their lanes moving (design §4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from datetime import datetime
from threading import Event

from ingest.flow import Flow, plan_flow
from ingest.lane import Lane
from lake.broker import LogReader, Polled, Shard
from lake.clock import Clock
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
    ) -> None:
        self._reader = reader
        self._lanes = tuple(lanes)
        self._settings = settings
        self._clock = clock
        self._stop = stop
        self._by_topic: defaultdict[str, list[Lane]] = defaultdict(list)
        for lane in lanes:
            self._by_topic[lane.topic.name].append(lane)
        self._failure: BaseException | None = None
        self._goals: dict[Shard, Offset] = {}
        self._read_out: set[Shard] = set()
        self._asked: dict[Shard, datetime] = {}
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
                list(self._by_topic),
                on_assigned=self._on_assigned,
                on_revoked=self._on_revoked,
                on_lost=self._on_lost,
            )
        else:
            every = [Shard(lane.topic.name, p) for lane in self._lanes for p in lane.topic.partitions]
            self._reader.assign(self._begin(list(dict.fromkeys(every))))
        self._read(follow=follow)

    def _alive(self) -> Iterator[Lane]:
        return (lane for lane in self._lanes if lane.failure is None)

    @staticmethod
    def _guard(lane: Lane, act: Callable[..., object], *arguments: object) -> None:
        """Act for a lane; an error that only its own stream has stops only that one."""
        try:
            act(*arguments)
        except TerminalError as error:
            lane.fail(error)

    def _read(self, *, follow: bool) -> None:
        """2 Poll until size, age or memory says so, commit, and go on."""
        records = min(_RECORDS_PER_POLL, self._settings.commit_rows)
        while not self._stop.is_set() and any(self._alive()):
            polled = self._reader.poll(records=records, seconds=_POLL_SECONDS)
            if self._failure is not None:
                raise self._failure
            self._take(polled)
            self._keep_moving()
            if not follow and self._is_read_out():
                self._commit_all()
                if not self._restart():
                    return
        self._commit_all()

    def _take(self, polled: Polled) -> None:
        self._watch_logs()
        for chunk in polled.chunks:
            for lane in self._by_topic[chunk.shard.topic]:
                self._guard(lane, lane.take, chunk)
        self._read_out |= polled.ended.keys()
        for shard in [shard for shard in self._asked if shard in polled.ended or self._is_at_goal(shard)]:
            moment = self._asked.pop(shard)
            for lane in self._by_topic[shard.topic]:
                lane.look(shard.partition, moment)

    def _is_at_goal(self, shard: Shard) -> bool:
        """Tell whether all is taken up to an end that was told after the shard was begun."""
        goal = self._goals.get(shard)
        if goal is None or shard in self._read_out:
            return False  # once read out, only a new answer says that the end is where it was
        readers = [own for own in self._by_topic[shard.topic] if shard.partition in own.partitions]
        return all((lane.wants(shard.partition) or 0) >= goal for lane in readers)

    def _watch_logs(self) -> None:
        """Compare positions with the logs as soon as a fetch tells where they end."""
        for lane in self._alive():
            for partition in lane.partitions:
                shard = Shard(lane.topic.name, partition)
                if shard in self._goals:
                    continue
                end = self._reader.end(shard)
                if end is not None:
                    self._goals[shard] = end
                    for reader in self._by_topic[shard.topic]:
                        self._guard(reader, reader.check_end, partition, end)

    def _is_read_out(self) -> bool:
        return all(
            not lane.is_waiting and self._has_all(lane, partition)
            for lane in self._alive()
            for partition in lane.partitions
        )

    def _has_all(self, lane: Lane, partition: Partition) -> bool:
        shard = Shard(lane.topic.name, partition)
        goal = self._goals.get(shard)
        return goal is not None and (shard in self._read_out or (lane.wants(partition) or 0) >= goal)

    def _keep_moving(self) -> None:
        """Settle what is done, commit what is due, hold what has no room, begin anew what is stale."""
        for lane in self._alive():
            self._guard(lane, lane.take_waiting)
            done = lane.commit_under_way
            if done is not None and done.done():
                self._settle(lane)
        self._restart()
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
        for lane in self._alive():
            if not lane.is_committing and lane.has_look():
                self._guard(lane, lane.hand_over)
            elif lane.wants_a_look(now):
                for partition in lane.partitions:
                    shard = Shard(lane.topic.name, partition)
                    if shard in self._read_out and shard not in self._asked and shard not in self._paused:
                        self._asked[shard] = now
                        self._reader.seek(shard, self._first_wanted(shard))

    def _follow_plan(self) -> None:
        lanes = tuple(self._alive())
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
        others = any(lane not in self._held for lane in self._alive())
        patience = _PATIENCE_SECONDS if others else _LONG_PATIENCE_SECONDS
        ended, _ = wait(waited, timeout=patience, return_when=FIRST_COMPLETED)
        for future in ended:
            self._settle(waited[future])
        self._restart()
        return bool(ended)

    def _wanted_pauses(self) -> frozenset[Shard]:
        """Return the shards of lanes that have no room, and those that nobody reads any more."""
        held = {Shard(lane.topic.name, p) for lane in self._held for p in lane.partitions}
        read = {Shard(lane.topic.name, p) for lane in self._alive() for p in lane.partitions}
        return frozenset(held | (self._shards - read))

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
            self._reader.show_progress(
                {
                    Shard(lane.topic.name, p): min(
                        other.landed(p) for other in self._by_topic[lane.topic.name] if p in other.partitions
                    )
                    for p in lane.partitions
                }
            )

    def _commit_all(self) -> None:
        for lane in self._alive():
            self._guard(lane, lane.hand_over)
        for lane in self._alive():
            self._settle(lane)

    def _restart(self) -> bool:
        """Begin lanes anew whose partitions somebody else has moved; tell whether there were any."""
        stale = [lane for lane in self._alive() if lane.must_restart]
        for lane in stale:
            partitions = lane.partitions
            self._guard(lane, lane.begin, partitions, self._start_of(lane))
            for partition in partitions:
                shard = Shard(lane.topic.name, partition)
                self._goals.pop(shard, None)
                self._read_out.discard(shard)
                self._reader.seek(shard, self._first_wanted(shard))
        return bool(stale)

    def _start_of(self, lane: Lane) -> Callable[[Partition], Offset]:
        return lambda partition: self._reader.start(Shard(lane.topic.name, partition))

    def _first_wanted(self, shard: Shard) -> Offset | None:
        """Return where a shard has to be read from so that each lane gets what it lacks."""
        wanted = [
            lane.wants(shard.partition)
            for lane in self._by_topic[shard.topic]
            if shard.partition in lane.partitions
        ]
        known = [offset for offset in wanted if offset is not None]
        return min(known) if known and len(known) == len(wanted) else None

    def _begin(self, shards: Sequence[Shard]) -> dict[Shard, Offset | None]:
        """1 Let each lane read its positions, and start every shard where the first of them stands."""
        self._goals.clear()
        self._read_out.clear()
        self._shards, self._paused = frozenset(shards), frozenset()
        # An end that is told from here on was read by a fetch sent later: so much is certain of it.
        self._asked = dict.fromkeys(shards, self._clock.now())
        for lane in self._alive():
            own = [shard.partition for shard in shards if shard.topic == lane.topic.name]
            self._guard(lane, lane.begin, own, self._start_of(lane))
        return {shard: self._first_wanted(shard) for shard in shards}

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
        for lane in self._alive():
            try:
                self._guard(lane, lane.settle)
            except LakeError as error:
                self._failure = error
            lane.go_away()

    def _on_lost(self, shards: Sequence[Shard]) -> None:
        """Take no more: others may own the shards already, and the catalog decides who was first."""
        log.warning("shards.lost", count=len(shards))
        for lane in self._alive():
            lane.go_away()

"""Produce each event that is still to come when it is due, until none is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from demo.clock import Clock
from demo.replay import Ends, check_log, exceeds, settled_ends
from demo.sequence import Sequence
from demo.topic import Topic, Writer

LONGEST_SLEEP = 60.0  # a machine that slept must not wait for the rest of a long sleep

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveReport:
    """What one stream's topic holds at the end of a live run."""

    stream: str
    topic: str
    produced: int
    produced_total: int
    not_yet_due: int


class LiveStream:
    """One stream that follows the clock."""

    def __init__(self, sequence: Sequence, topic: Topic, *, clock: Clock) -> None:
        """Read where the topic ends; raises as `replay` does when it isn't ours."""
        self._sequence = sequence
        self._topic = topic
        due = sequence.due(int(clock.now().timestamp()))
        self._ends = settled_ends(topic, due, fresh=topic.ensure(), clock=clock)
        check_log(sequence, topic, self._ends)
        self._began = sum(self._ends)
        self._writer = Writer(topic, self._ends)

    @property
    def ends(self) -> Ends:
        return self._ends

    def catch_up(self, now_seconds: int) -> int:
        """Produce what is due and not in the topic yet; returns how many that were."""
        if not exceeds(self._sequence.due(now_seconds), self._ends):
            return 0
        before = sum(self._ends)
        try:
            for batch in self._sequence.batches(self._ends, now_seconds):
                self._writer.write(batch)
            self._ends = self._writer.flush()
        except KeyboardInterrupt:
            self._ends = self._writer.abandon()
            raise
        return sum(self._ends) - before

    def next_due(self, now_seconds: int) -> int | None:
        """Return when the next event is due, in seconds since 1970; None when none is left."""
        return self._sequence.next_due(now_seconds)

    def report(self) -> LiveReport:
        """Count what this run has added."""
        return LiveReport(
            stream=self._sequence.stream.name,
            topic=self._topic.name,
            produced=sum(self._ends) - self._began,
            produced_total=sum(self._ends),
            not_yet_due=self._sequence.size - sum(self._ends),
        )


def follow(streams: list[LiveStream], *, clock: Clock, say: Say, until: datetime | None = None) -> bool:
    """Produce events when they are due; True when none is left, False when `until` came first.

    What fell due since the last run is produced at once. Time is `clock`'s; every event is produced
    once, also when this is ended and run again.
    """
    while True:
        now = clock.now()
        now_seconds = int(now.timestamp())
        counts = [stream.catch_up(now_seconds) for stream in streams]
        if any(counts):
            say(f"{now:%Y-%m-%d %H:%M:%S}Z  {sum(counts):,} events")
        coming = [due for stream in streams if (due := stream.next_due(now_seconds)) is not None]
        if not coming:
            return True
        if until is not None and now >= until:
            return False
        wake = datetime.fromtimestamp(min(coming), UTC)
        if until is not None:
            wake = min(wake, until)
        clock.sleep(min(LONGEST_SLEEP, max(0.0, (wake - clock.now()).total_seconds())))

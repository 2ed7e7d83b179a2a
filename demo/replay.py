"""Produce the events that are due: once, whatever happened to earlier runs.

1 The sequence of each partition is known (`demo.sequence`). 2 Read where each partition ends; wait
until that stands still, since a killed run's last request may still be on its way. 3 Compare: no
partition holds more than its sequence, and its last record is the one that the sequence has there.
4 Produce the rest in order; each acknowledgement must name the offset that the sequence says.
5 Read the ends again. The log itself is the record of progress; there is no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from demo.calendar import Calendar
from demo.clock import Clock
from demo.errors import ForeignLogError
from demo.sequence import PlantedRecord, Sequence
from demo.topic import Topic, Writer

SETTLE_SECONDS = 0.5
SETTLE_TRIES = 40
Progress = Callable[[int], None]
Ends = tuple[int, ...]  # how many records each partition holds


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """What the topic of one stream holds after a run: source + planted = produced_total + not_yet_due."""

    stream: str
    topic: str
    source: int
    planted: int
    already: int
    produced: int
    produced_total: int
    not_yet_due: int
    seconds: float
    partitions: Ends
    planted_records: tuple[PlantedRecord, ...]


def replay(
    sequence: Sequence,
    topic: Topic,
    calendar: Calendar,
    *,
    clock: Clock,
    rate: float | None = None,
    progress: Progress = lambda _done: None,
) -> StreamReport:
    """Bring a topic up to what is due at the calendar's `now`.

    `rate` is events per second (None: as fast as it goes); `progress` hears how many records the topic
    holds. A second run produces nothing. Raises ForeignLogError and UnavailableError.
    """
    began = clock.monotonic()
    fresh = topic.ensure()
    already = settled_ends(topic, sequence.due(calendar.now_seconds), fresh=fresh, clock=clock)
    check_log(sequence, topic, already)
    ends = produce(sequence, topic, already, calendar.now_seconds, clock=clock, rate=rate, progress=progress)
    return StreamReport(
        stream=sequence.stream.name,
        topic=topic.name,
        source=sequence.source_rows,
        planted=len(sequence.planted()),
        already=sum(already),
        produced=sum(ends) - sum(already),
        produced_total=sum(ends),
        not_yet_due=sequence.size - sum(ends),
        seconds=round(clock.monotonic() - began, 3),
        partitions=ends,
        planted_records=sequence.planted(),
    )


def settled_ends(topic: Topic, due: Ends, *, fresh: bool, clock: Clock) -> Ends:
    """Read the ends of a topic until two readings agree.

    One is enough for a topic that was created a moment ago, and when all that is due is there.
    """
    ends = topic.ends()
    if fresh or not exceeds(due, ends):
        return ends
    for _ in range(SETTLE_TRIES):
        clock.sleep(SETTLE_SECONDS)
        before, ends = ends, topic.ends()
        if ends == before:
            return ends
    raise ForeignLogError(
        f"{topic.name} grows although this source isn't writing to it",
        hint="find and stop the other producer",
    )


def exceeds(due: Ends, ends: Ends) -> bool:
    """Say whether a partition still lacks something that is due."""
    return any(wanted > end for wanted, end in zip(due, ends, strict=True))


def check_log(sequence: Sequence, topic: Topic, ends: Ends) -> None:
    """Raise ForeignLogError when a partition can't be a beginning of its sequence."""
    hint = "somebody else wrote to it: use another --topic-prefix, or delete the topic"
    for partition, (end, size) in enumerate(zip(ends, sequence.sizes, strict=True)):
        if end > size:
            raise ForeignLogError(
                f"{topic.name}/{partition} holds {end} records, the source has {size}", hint=hint
            )
        if not end:
            continue
        expected, found = sequence.record(partition, end - 1), topic.read(partition, end - 1)
        if (found.key, found.value or b"") != (expected.keys[0], expected.values[0]):
            raise ForeignLogError(
                f"{topic.name}/{partition}: the record at offset {end - 1} is not this source's",
                hint=hint,
            )


def produce(
    sequence: Sequence,
    topic: Topic,
    ends: Ends,
    now_seconds: int,
    *,
    clock: Clock,
    rate: float | None = None,
    progress: Progress = lambda _done: None,
) -> Ends:
    """Append what is due at a time to partitions that end at `ends`; returns the new ends."""
    if not exceeds(sequence.due(now_seconds), ends):
        return ends
    writer = Writer(topic, ends)
    began, written = clock.monotonic(), 0
    try:
        for batch in sequence.batches(ends, now_seconds, rows=batch_rows(rate)):
            writer.write(batch)
            written += len(batch)
            progress(sum(ends) + written)
            if rate is not None:
                clock.sleep(max(0.0, began + written / rate - clock.monotonic()))
        reached = writer.flush()
    except KeyboardInterrupt:
        writer.abandon()
        raise
    if reached != (stored := topic.ends()):
        raise ForeignLogError(
            f"{topic.name}: records were acknowledged up to {reached}, the partitions end at {stored}",
            hint="find the other producer, or what the broker lost; then use another --topic-prefix",
        )
    return reached


def batch_rows(rate: float | None) -> int:
    """Return how many records go out at once: a tenth of a second's worth when a rate is asked for."""
    return 20_000 if rate is None else max(1, min(20_000, int(rate / 10)))

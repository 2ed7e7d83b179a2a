"""Many streams in one process."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import Figure, against_goal
from benchmarks.streams.child import measured
from benchmarks.streams.formats import GOAL_MEGABYTES
from benchmarks.streams.produce import open_producer
from benchmarks.streams.records import as_json
from lake.broker import create_topic
from lake.settings import Project, Settings

STREAMS = 200


def many(project: Project, settings: Settings, per_stream: int) -> Iterator[Figure]:
    """Follow many streams with commits of a minute."""
    names = [f"bench_many_{number}" for number in range(STREAMS)]
    for name in names:
        create_topic(settings.broker, name, partitions=1)
    producer = open_producer(settings)
    for number in range(per_stream):
        for name in names:
            producer.produce(f"{settings.broker.topic_prefix}{name}", as_json(number))
        producer.poll(0)
    assert producer.flush(120) == 0
    total = per_stream * STREAMS
    found = measured(project, "follow", streams=names, rows=total, landing={"commit_seconds": 60.0})
    assert found["rows"] == total
    yield Figure(metric=f"{STREAMS} streams at 60 s: landed", value=found["rows"], unit="rows")
    each = round(1000 * found["cpu"] / found["commits"], 1)
    yield Figure(metric=f"{STREAMS} streams: CPU per commit, start included", value=each, unit="ms")
    yield Figure(metric=f"{STREAMS} streams: Python threads", value=found["threads"], unit="")
    yield against_goal(f"{STREAMS} streams: memory of the process", found["megabytes"], "MB", GOAL_MEGABYTES)

"""How old rows are when they can be queried, at a steady rate.

A row's age counts from the producer's call to the catalog's acknowledgement, so it holds the time until
the broker has it. Producer, broker, storage, catalog and landing share the machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks.results import Figure, against_goal, at_least
from benchmarks.streams.child import result, started
from benchmarks.streams.formats import GOAL_MEGABYTES
from benchmarks.streams.produce import PARTITIONS, full_topic, open_producer, produce_steadily
from benchmarks.streams.records import as_json, contract
from lake.broker import create_topic
from lake.catalog import load_table, open_catalog
from lake.contracts import Contract, Format
from lake.settings import Project, Settings
from lake.types import TableName

_LINGER_MS = 100  # each batch is an object in the embedded broker's storage
_COMMIT_SECONDS = 5.0


def freshness(project: Project, settings: Settings, *, rate: int, seconds: float) -> Iterator[Figure]:
    """Produce at a steady rate while a process follows with commits of five seconds."""
    own = contract(Format.JSON, "bench_fresh")
    create_topic(settings.broker, own.topic, partitions=PARTITIONS)
    producer, topic = open_producer(settings, linger=_LINGER_MS), full_topic(settings, own)
    producer.produce(topic, as_json(0))  # the group has formed and all is warm once it has landed
    following = started(
        project,
        "follow",
        streams=[own.stream],
        rows=int(rate * seconds) + 1,
        landing={"commit_seconds": _COMMIT_SECONDS},
    )
    assert following.stdout is not None
    following.stdout.readline()
    first = time.time()
    sent = produce_steadily(producer, topic, rate=rate, seconds=seconds)
    found = result(following)
    waited = _waits(settings, own, found["acknowledged"], first)
    name = f"freshness over {seconds / 60:g} min"
    yield at_least(f"{name}: records produced a second", sent.rate, "rec/s", rate)
    yield against_goal(f"{name}: p50", waited[len(waited) // 2], "s", 3.5)
    yield against_goal(f"{name}: p99", waited[int(len(waited) * 0.99)], "s", 7.0)
    yield Figure(metric=f"{name}: commits", value=found["commits"], unit="")
    yield Figure(
        metric=f"{name}: CPU of landing", value=round(found["cpu"] / found["seconds"], 2), unit="cores"
    )
    yield against_goal(f"{name}: memory of the process", found["megabytes"], "MB", GOAL_MEGABYTES)


def _waits(settings: Settings, own: Contract, acknowledged: list[float], first: float) -> list[float]:
    """Return, sorted, how long each row since `first` waited for its commit's acknowledgement."""
    name = TableName(schema=settings.landing.raw_schema, name=own.stream)
    state = load_table(open_catalog(settings), name)
    assert state is not None
    found = state.handle.scan(selected_fields=("meta",)).to_arrow().column("meta").combine_chunks()
    produced = found.field("produced_at").cast(pa.int64()).to_numpy() / 1e6
    landed = found.field("landed_at").cast(pa.int64()).to_numpy() / 1e6
    moments = sorted(acknowledged)
    places = np.searchsorted(moments, landed)
    return sorted((np.array(moments)[places] - produced)[produced >= first].tolist())

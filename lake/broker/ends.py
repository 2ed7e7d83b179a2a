"""Where the partitions of a topic end, for lag; asked by `lake ingest status` and the console."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from lake.broker.client import log
from lake.broker.reader import LogReader
from lake.broker.records import Shard
from lake.broker.topics import describe_topic
from lake.clock import Deadline, SystemClock
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from lake.types import Offset, Partition

_GROUP = "lakemesh.ends"


def read_true_ends(
    settings: BrokerSettings,
    topic: str,
    *,
    near: Mapping[Partition, Offset] = MappingProxyType({}),
) -> dict[Partition, Offset]:
    """Return where the partitions end, by a fetch where the broker's own answer proved wrong.

    The answer of each broker to the question is held against a fetch once per process and topic.
    """
    if settings.end_offsets_by == "query" and not _answers_truly(settings, topic):
        settings = settings.model_copy(update={"end_offsets_by": "fetch"})
    return read_ends(settings, topic, near=near)


@cache
def _answers_truly(settings: BrokerSettings, topic: str) -> bool:
    before = read_ends(settings, topic)
    fetching = settings.model_copy(update={"end_offsets_by": "fetch"})
    fetched = read_ends(fetching, topic, near=before)
    agreed = ends_agree(before, fetched, read_ends(settings, topic))
    if not agreed:
        log.warning("ends.wrong", topic=topic, told=sum(before.values()), fetched=sum(fetched.values()))
    return agreed


def ends_agree(
    before: Mapping[Partition, Offset], fetched: Mapping[Partition, Offset], after: Mapping[Partition, Offset]
) -> bool:
    """Tell whether what a fetch saw lies between two answers to the question, in every partition."""
    return all(before.get(p, -1) <= end <= after.get(p, -1) for p, end in fetched.items())


def read_ends(
    settings: BrokerSettings,
    topic: str,
    *,
    near: Mapping[Partition, Offset] = MappingProxyType({}),
    timeout: float = 10.0,
) -> dict[Partition, Offset]:
    """Return, per partition, the offset that its next record will get; empty when there is no such topic.

    `topic` is the contract's name. `near` are offsets to fetch from where a fetch is what tells the
    end: the closer they are to it, the less is read. Raises UnavailableError after `timeout` seconds.
    """
    found = describe_topic(settings, topic, timeout=timeout)
    if found is None:
        return {}
    deadline = Deadline.after(timeout, SystemClock())
    shards = {p: Shard(found.name, p) for p in found.partitions}
    reader = LogReader(settings, group=_GROUP)
    try:
        reader.assign({shard: near.get(p) for p, shard in shards.items()})
        ends: dict[Partition, Offset] = {}
        while True:
            ends |= {p: end for p, shard in shards.items() if (end := reader.end(shard)) is not None}
            if len(ends) == len(found.partitions):
                return ends
            if deadline.expired():
                raise UnavailableError("broker", f"{found.name}: no fetch answered in {timeout:.0f} s")
            reader.poll(records=1, seconds=min(0.1, deadline.remaining()))
    finally:
        reader.close()

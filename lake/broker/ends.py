"""Where the partitions of a topic end, for lag; asked by `lake ingest status` and the console."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lake.broker.reader import LogReader
from lake.broker.records import Shard
from lake.broker.topics import describe_topic
from lake.clock import Deadline, SystemClock
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from lake.types import Offset, Partition

_GROUP = "lakemesh.ends"


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

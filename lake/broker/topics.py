"""Topics: what the broker says about one, and creating them."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from lake.broker.client import client_configuration, full_name, raise_mapped
from lake.clock import Deadline, SystemClock
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from lake.types import Partition

_TIMEOUT_SECONDS = 5.0
_FOREVER = "-1"
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as the broker describes it; `id` changes when a topic of the same name is made anew."""

    name: str
    id: str
    partitions: tuple[Partition, ...]


def describe_topic(
    settings: BrokerSettings, topic: str, *, timeout: float = _TIMEOUT_SECONDS
) -> Topic | None:
    """Return the topic of a contract (the prefix is added here), None when there is none."""
    return describe_topics(settings, [topic], timeout=timeout)[topic]


def describe_topics(
    settings: BrokerSettings, topics: Collection[str], *, timeout: float = _TIMEOUT_SECONDS
) -> dict[str, Topic | None]:
    """Return the topics of contracts by the contracts' names for them, None where there is no such topic."""
    names = {topic: full_name(settings, topic) for topic in topics}
    if not names:
        return {}
    try:
        client = AdminClient(client_configuration(settings))
        asked = client.describe_topics(TopicCollection(sorted(set(names.values()))), request_timeout=timeout)
        return {topic: _described(asked[name]) for topic, name in names.items()}
    except KafkaException as error:
        raise_mapped(error, settings=settings, action=f"describe {', '.join(names.values())}")


def _described(asked: Future[Any]) -> Topic | None:
    try:
        found = asked.result()
    except KafkaException as error:
        if error.args and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
    return Topic(
        name=found.name,
        id=str(found.topic_id),
        partitions=tuple(sorted(Partition(p.id) for p in found.partitions)),
    )


def create_topic(
    settings: BrokerSettings, topic: str, *, partitions: int, timeout: float = _TIMEOUT_SECONDS
) -> Topic:
    """Create the topic unless it exists; nothing in it expires."""
    name = full_name(settings, topic)
    # Written out because some brokers hold no defaults for them.
    wanted = NewTopic(name, partitions, 1, config={"retention.ms": _FOREVER, "cleanup.policy": "delete"})
    try:
        client = AdminClient(client_configuration(settings))
        client.create_topics([wanted], request_timeout=timeout)[name].result()
    except KafkaException as error:
        if not error.args or error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise_mapped(error, settings=settings, action=f"create topic {name}")
    return _shown(settings, topic, timeout)


def _shown(settings: BrokerSettings, topic: str, timeout: float) -> Topic:
    """Wait for a topic that was created: a broker acknowledges it a moment before it shows it."""
    clock = SystemClock()
    deadline = Deadline.after(timeout, clock)
    while (found := describe_topic(settings, topic, timeout=timeout)) is None:
        if deadline.expired():
            name = full_name(settings, topic)
            raise UnavailableError(
                "broker", f"topic {name} was created and is not shown after {timeout:.0f} s"
            )
        clock.sleep(_LOOK_SECONDS)
    return found

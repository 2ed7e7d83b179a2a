"""Topics: what the broker says about one, and creating them."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from lake.broker.client import client_configuration, full_name, raise_mapped
from lake.settings import BrokerSettings
from lake.types import Partition

_TIMEOUT_SECONDS = 5.0
_FOREVER = "-1"


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
    name = full_name(settings, topic)
    try:
        client = AdminClient(client_configuration(settings))
        found = client.describe_topics(TopicCollection([name]), request_timeout=timeout)[name].result()
    except KafkaException as error:
        if error.args and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise_mapped(error, settings=settings, action=f"describe topic {name}")
    return Topic(
        name=name,
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
    found = describe_topic(settings, topic, timeout=timeout)
    assert found is not None
    return found

"""Ask a broker a real question: Kafka's metadata request."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lake.broker.client import client_configuration, raise_mapped
from lake.settings import BrokerSettings


def count_brokers(settings: BrokerSettings, *, timeout: float) -> int:
    """Return how many brokers the cluster names.

    Raises UnavailableError when none answers within `timeout` seconds, ConfigurationError when it refuses us.
    """
    client = AdminClient({**client_configuration(settings), "log_level": 0})
    try:
        return len(client.list_topics(timeout=timeout).brokers)
    except KafkaException as error:
        raise_mapped(error, settings=settings, action="metadata")

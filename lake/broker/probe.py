"""Ask a broker a real question: Kafka's metadata request."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lake.errors import UnavailableError
from lake.settings import BrokerSettings


def _client_configuration(settings: BrokerSettings) -> dict[str, str]:
    return {"bootstrap.servers": settings.bootstrap_servers, "log_level": "0"}


def count_brokers(settings: BrokerSettings, *, timeout: float) -> int:
    """Return how many brokers the cluster names; raises UnavailableError after `timeout` seconds."""
    client = AdminClient(_client_configuration(settings), logger=None)
    try:
        return len(client.list_topics(timeout=timeout).brokers)
    except KafkaException as error:
        reason = error.args[0].str() if error.args else type(error).__name__
        raise UnavailableError(
            "broker", f"{settings.bootstrap_servers} does not answer ({reason})"
        ) from error

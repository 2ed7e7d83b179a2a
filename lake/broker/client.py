"""Client configuration from settings, and the one place where Kafka errors become ours."""

from __future__ import annotations

from typing import Any, Never

from confluent_kafka import KafkaError, KafkaException

from lake.errors import ConfigurationError, HistoryError, LakeError, UnavailableError
from lake.log import get_logger
from lake.settings import BrokerSettings

log = get_logger("broker")

BROKER = "broker"
NEXT = "lake status; when it is down: lake up"

_REFUSED = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001  librdkafka's own codes start with an underscore
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_NO_TOPIC = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
}
_OUT_OF_RANGE = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}  # noqa: SLF001


def client_configuration(settings: BrokerSettings) -> dict[str, Any]:
    """Return librdkafka's properties for `settings`; holds the password, so never log it."""
    values: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "lakemesh",
        "security.protocol": settings.security_protocol,
        "socket.connection.setup.timeout.ms": 5_000,
        "log_level": 2,  # connection noise; what matters arrives as an error
    }
    if settings.security_protocol.startswith("SASL"):
        values |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username,
            "sasl.password": settings.sasl_password.get_secret_value(),
        }
    if settings.ca_file is not None:
        values["ssl.ca.location"] = str(settings.ca_file)
    return values


def full_name(settings: BrokerSettings, topic: str) -> str:
    """Return a contract's topic as the broker knows it."""
    return f"{settings.topic_prefix}{topic}"


def to_lake_error(error: KafkaError, *, place: str, action: str) -> LakeError:
    """Return the error of our tree for one of Kafka's."""
    text = f"{action}: {error.str()}"
    if error.code() in _REFUSED:
        return ConfigurationError(
            f"broker {place}: {text}",
            hint="check broker.security_protocol, broker.sasl_* and broker.ca_file",
        )
    if error.code() in _NO_TOPIC:
        return HistoryError(f"broker {place}: {text}", hint="lake ingest status")
    if error.code() in _OUT_OF_RANGE:
        return HistoryError(
            f"broker {place}: {text}: the log no longer holds the offset that landing reached",
            hint="lake ingest status; was the topic re-created, or its retention shorter than the outage?",
        )
    return UnavailableError(BROKER, f"{place} does not answer ({text})", hint=NEXT)


def raise_mapped(error: KafkaException, *, settings: BrokerSettings, action: str) -> Never:
    """Raise our error for `error`, keeping it as the cause."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, KafkaError):
        raise to_lake_error(cause, place=settings.bootstrap_servers, action=action) from error
    raise UnavailableError(BROKER, f"{settings.bootstrap_servers}: {action}: {error}", hint=NEXT) from error

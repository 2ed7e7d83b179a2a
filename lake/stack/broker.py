"""The port for a broker: what the stack asks of whichever Kafka-API server it starts."""

from __future__ import annotations

from typing import Protocol

from lake.settings import BrokerSettings
from lake.stack.model import Service


class Broker(Service, Protocol):
    """A service that speaks the Kafka API and says how clients reach it."""

    def settings(self) -> BrokerSettings:
        """Return what goes into the section `broker` of endpoints.json."""

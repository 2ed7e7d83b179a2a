"""The port for a broker: what the stack asks of whichever Kafka-API server it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lake.settings import BrokerSettings, StorageSettings
from lake.stack.folder import Site
from lake.stack.model import Service
from lake.stack.tansu import Tansu


class Broker(Service, Protocol):
    """A service that speaks the Kafka API and says how clients reach it."""

    def settings(self) -> BrokerSettings:
        """Return what goes into the section `broker` of endpoints.json."""


def _tansu(site: Site, storage: StorageSettings) -> Broker:
    return Tansu(site=site, storage=storage)


MakeBroker = Callable[[Site, StorageSettings], Broker]
EMBEDDED_BROKER: MakeBroker = _tansu

"""Which services the embedded stack is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from lake.stack.app_service import AppService
from lake.stack.broker import Broker
from lake.stack.folder import Site
from lake.stack.model import Service
from lake.stack.postgres import Postgres
from lake.stack.seaweed import Seaweed
from lake.stack.state import StackState
from lake.stack.tansu import Tansu

PORT_NAMES = (*Seaweed.port_names, *Tansu.port_names, *Postgres.port_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The three servers and the services that were registered beside them."""

    seaweed: Seaweed
    broker: Broker
    postgres: Postgres
    apps: tuple[AppService, ...]

    @classmethod
    def of(cls, site: Site, state: StackState) -> Embedded:
        seaweed = Seaweed(site=site)
        return cls(
            seaweed=seaweed,
            broker=Tansu(site=site, storage=seaweed.storage()),
            postgres=Postgres(site=site),
            apps=tuple(AppService.from_json(name, doc) for name, doc in state.services.items()),
        )

    def core(self) -> tuple[Service, ...]:
        """Return the servers in the order in which they are started."""
        return (self.seaweed, self.postgres, self.broker)

    def all(self) -> tuple[Service, ...]:
        return (*self.core(), *self.apps)

    def clients(self) -> tuple[Service, ...]:
        """Return all but PostgreSQL in the order in which they are stopped, clients before servers."""
        return (*reversed(self.apps), self.broker, self.seaweed)

    def sections(self) -> dict[str, BaseModel]:
        """Return the sections of endpoints.json."""
        return {
            "storage": self.seaweed.storage(),
            "catalog": self.seaweed.catalog(),
            "broker": self.broker.settings(),
            "postgres": self.postgres.settings(),
        }

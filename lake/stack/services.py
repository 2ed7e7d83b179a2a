"""Which services the embedded stack is made of."""

from __future__ import annotations

from collections.abc import Iterable
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
from lake.stack.trino import Trino

PORT_NAMES = (*Seaweed.port_names, *Tansu.port_names, *Postgres.port_names)
# Servers that run only when they are asked for: `lake up --with trino`.
EXTRAS = {Trino.name: Trino.port_names}


def port_names(extras: Iterable[str]) -> tuple[str, ...]:
    """Return the ports of the stack with these extra servers."""
    return (*PORT_NAMES, *(port for extra in extras for port in EXTRAS[extra]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The three servers, Trino where it was asked for, and the services registered beside them."""

    seaweed: Seaweed
    broker: Broker
    postgres: Postgres
    trino: Trino | None
    apps: tuple[AppService, ...]

    @classmethod
    def of(cls, site: Site, state: StackState) -> Embedded:
        seaweed = Seaweed(site=site)
        storage, catalog = seaweed.storage(), seaweed.catalog()
        return cls(
            seaweed=seaweed,
            broker=Tansu(site=site, storage=storage),
            postgres=Postgres(site=site),
            trino=Trino(site=site, storage=storage, catalog=catalog) if Trino.name in state.extras else None,
            apps=tuple(AppService.from_json(name, doc) for name, doc in state.services.items()),
        )

    def core(self) -> tuple[Service, ...]:
        """Return the servers in the order in which they are started."""
        return (self.seaweed, self.postgres, self.broker, *self._extras())

    def all(self) -> tuple[Service, ...]:
        return (*self.core(), *self.apps)

    def clients(self) -> tuple[Service, ...]:
        """Return all but PostgreSQL in the order in which they are stopped, clients before servers."""
        return (*reversed(self.apps), *self._extras(), self.broker, self.seaweed)

    def sections(self) -> dict[str, BaseModel]:
        """Return the sections of endpoints.json."""
        trino = {"trino": self.trino.settings()} if self.trino else {}
        return {
            "storage": self.seaweed.storage(),
            "catalog": self.seaweed.catalog(),
            "broker": self.broker.settings(),
            "postgres": self.postgres.settings(),
            **trino,
        }

    def _extras(self) -> tuple[Service, ...]:
        return (self.trino,) if self.trino else ()

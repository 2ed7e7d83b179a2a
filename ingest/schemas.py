"""Look the schemas of framed records up, beside the reading: a registry that is slow holds nobody else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Protocol

from ingest.deploy.history import read_history
from ingest.registry.catalogue import Subjects, catalogue
from lake.broker import RegisteredSchema, SchemaRegistry
from lake.clock import Clock, Deadline
from lake.contracts import Contract
from lake.settings import RegistrySettings, Settings

_LOOKUPS = 2
_ABSENT_SECONDS = 60.0  # what the registry does not have is asked for again after so long


class SchemaSource(Protocol):
    """Where schemas are: a registry, or the contracts themselves."""

    def known(self, number: int) -> RegisteredSchema | None:
        """Return what was found before."""

    def find(self, number: int, deadline: Deadline) -> RegisteredSchema | None:
        """Look until the deadline; None: there is no such schema."""


class ContractSchemas:
    """The schemas that the contracts give, deployed versions among them, by the ids that they give too."""

    def __init__(self, subjects: Subjects) -> None:
        schemas = [entry.schema for entries in subjects.values() for entry in entries]
        self._found = {s.id: RegisteredSchema(id=s.id, kind=s.type.value, text=s.text) for s in schemas}

    def known(self, number: int) -> RegisteredSchema | None:
        """Return the schema of an id."""
        return self._found.get(number)

    def find(self, number: int, deadline: Deadline) -> RegisteredSchema | None:
        """Return the schema of an id at once: what is not here comes with another contract."""
        del deadline
        return self._found.get(number)


def open_desk(settings: Settings, contracts: Sequence[Contract], clock: Clock) -> SchemaDesk:
    """Return the lookups of a process: in the registry of the settings, or without one in the contracts."""

    def connect() -> SchemaSource:
        if settings.registry.url:
            return SchemaRegistry(settings.registry, clock)
        return ContractSchemas(catalogue(contracts, read_history(settings.postgres)))

    return SchemaDesk(settings.registry, clock, connect)


class SchemaDesk:
    """The lookups of all streams of a process; any thread may use it.

    An id that is found stays found without the registry. An unknown one is waited for as long as the
    settings say: if the registry says that there is none, its records are refused; if it gives no
    answer, that is no fault of the records, and landing stops.
    """

    def __init__(self, settings: RegistrySettings, clock: Clock, connect: Callable[[], SchemaSource]) -> None:
        self._settings = settings
        self._clock = clock
        self._connect = connect
        self._source: SchemaSource | None = None
        self._absent: dict[int, float] = {}
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_LOOKUPS, "registry")

    def known(self, number: int) -> RegisteredSchema | None:
        """Return a schema that was looked up before."""
        return self._source.known(number) if self._source is not None else None

    def is_settled(self, number: int) -> bool:
        """Tell whether it is known that there is such a schema, or was lately that there is none."""
        absent_since = self._absent.get(number)
        if absent_since is not None and self._clock.monotonic() - absent_since < _ABSENT_SECONDS:
            return True
        return self.known(number) is not None

    def ask(self, numbers: Collection[int]) -> Future[None]:
        """Look these ids up; afterwards each is settled. The future has the error when they can't be."""
        return self._pool.submit(self._look_up, sorted(numbers))

    def _look_up(self, numbers: list[int]) -> None:
        with self._lock:
            source = self._source = self._source or self._connect()
        deadline = Deadline.after(self._settings.wait_seconds, self._clock)
        for number in numbers:
            if source.find(number, deadline) is None:
                self._absent[number] = self._clock.monotonic()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

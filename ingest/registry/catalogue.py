"""Which schemas there are: subjects with numbered versions, each schema with an id; pure but for `load`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from lake.clock import Clock
from lake.contracts import Contract, Format, StreamKind
from lake.contracts.derive import RegisteredSchema, check_ids, protobuf_serialized, registered_schema
from lake.errors import UnavailableError
from lake.log import get_logger

log = get_logger("registry")

_FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version of one subject; versions count from 1. `serialized` is a Protobuf schema in Base64."""

    version: int
    schema: RegisteredSchema
    compatibility: str
    serialized: str = ""

    def text(self, form: str) -> str:
        """Return the schema in the form that a client asks for."""
        return self.serialized if form == "serialized" and self.serialized else self.schema.text

    def is_same(self, text: str) -> bool:
        """Tell whether a text says the same: JSON by its content, Protobuf by its words."""
        if text in {self.schema.text, self.serialized}:
            return True
        try:
            return bool(json.loads(text) == json.loads(self.schema.text))
        except ValueError:
            return text.split() == self.schema.text.split()


Subjects = Mapping[str, tuple[Entry, ...]]


def catalogue(files: Iterable[Contract], deployed: Mapping[str, Sequence[Contract]]) -> Subjects:
    """Return the subjects: what was deployed, oldest first; of a stream never deployed what its file says.

    Versions of a contract that share a schema are one version here, as in any registry.
    Raises ConfigurationError when two schemas have the same id.
    """
    versions: dict[str, list[Contract]] = {}
    of_files = {c.stream: (c,) for c in files}
    for stream in sorted({*of_files, *deployed}):
        for contract in deployed.get(stream) or of_files[stream]:
            if contract.kind is StreamKind.TOPIC:
                versions.setdefault(contract.subject, []).append(contract)
    subjects = {subject: _entries(contracts) for subject, contracts in sorted(versions.items())}
    check_ids(entry.schema for entries in subjects.values() for entry in entries)
    return subjects


def _entries(contracts: Sequence[Contract]) -> tuple[Entry, ...]:
    found: dict[int, Entry] = {}
    for contract in contracts:
        schema = registered_schema(contract)
        if schema.id not in found:
            found[schema.id] = Entry(
                version=len(found) + 1,
                schema=schema,
                compatibility=contracts[-1].compatibility.value,
                serialized=protobuf_serialized(contract) if contract.format is Format.PROTOBUF else "",
            )
    return tuple(found.values())


class Catalogue:
    """The subjects as they were a few seconds ago; thread-safe, may block while it asks again.

    When it can't ask, what it knows goes on being served: a schema never changes.
    """

    def __init__(self, load: Callable[[], Subjects], clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._lock = Lock()
        self._known: Subjects | None = None
        self._asked_at = 0.0

    def subjects(self) -> Subjects:
        """Return all subjects; raises UnavailableError when they were never read."""
        with self._lock:
            if self._known is None or self._clock.monotonic() - self._asked_at > _FRESH_SECONDS:
                try:
                    self._known = self._load()
                except UnavailableError as error:
                    if self._known is None:
                        raise
                    log.warning("registry.not_refreshed", reason=error.message)
                self._asked_at = self._clock.monotonic()
            return self._known

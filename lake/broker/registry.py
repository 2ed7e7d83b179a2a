"""The schema registry, by Confluent's API: schemas are kept for ever, what is latest for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, Never, TypeVar

from lake.clock import Clock, Deadline
from lake.errors import ConfigurationError, TerminalError, UnavailableError
from lake.log import get_logger
from lake.settings import RegistrySettings

log = get_logger("broker")

REGISTRY = "registry"
NEXT = "check registry.url and whether the schema registry runs"

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_NOT_FOUND = 404
_REFUSED = frozenset({401, 403})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})

SchemaKind = Literal["AVRO", "JSON", "PROTOBUF"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFile:
    """A schema that another one names, under that name; `text` as the registry keeps it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSchema:
    """One schema of the registry; an id never changes its meaning.

    `files` are all that it refers to, directly or through others, each before those that need it.
    """

    id: int
    kind: SchemaKind
    text: str
    files: tuple[SchemaFile, ...] = ()


class SchemaRegistry:
    """A client that any thread may use; what it has once found it needs the registry for no more.

    Raises UnavailableError when the registry gives no answer within the caller's deadline,
    ConfigurationError when it refuses us.
    """

    def __init__(self, settings: RegistrySettings, clock: Clock) -> None:
        # Loading it takes a third of a second, which only those who read framed records should wait for.
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

        self._settings = settings
        self._clock = clock
        self._client = SchemaRegistryClient(_configuration(settings))
        self._lock = Lock()
        self._found: dict[int, RegisteredSchema] = {}
        self._latest: dict[str, tuple[float, int]] = {}

    def known(self, number: int) -> RegisteredSchema | None:
        """Return a schema that was found before; never asks the registry."""
        return self._found.get(number)

    def find(self, number: int, deadline: Deadline) -> RegisteredSchema | None:
        """Return the schema of an id; asks until the deadline, also while the registry says "not found"."""
        if (present := self._found.get(number)) is not None:
            return present
        answer = self._patiently(
            lambda: self._client.get_schema(number), f"schema {number}", deadline, wait_for_missing=True
        )
        return None if answer is None else self._keep(number, answer, deadline)

    def latest(self, subject: str, deadline: Deadline) -> RegisteredSchema | None:
        """Return a subject's newest schema as of `latest_seconds` ago or later; None: no such subject."""
        with self._lock:
            asked_at, number = self._latest.get(subject, (float("-inf"), 0))
        if self._clock.monotonic() - asked_at < self._settings.latest_seconds:
            return self.find(number, deadline)
        answer = self._patiently(
            lambda: self._client.get_latest_version(subject), f"subject {subject}", deadline
        )
        if answer is None or answer.schema_id is None:
            return None
        with self._lock:
            self._latest[subject] = self._clock.monotonic(), answer.schema_id
        return self._keep(answer.schema_id, answer.schema, deadline)

    def subjects(self, number: int, deadline: Deadline) -> frozenset[str]:
        """Return the subjects that a schema is registered under."""
        found = self._patiently(
            lambda: self._client.get_subjects_by_schema_id(number), f"subjects of schema {number}", deadline
        )
        return frozenset(found or ())

    def _keep(self, number: int, schema: Any, deadline: Deadline) -> RegisteredSchema:
        files: dict[str, SchemaFile] = {}
        self._collect(schema.references or (), files, deadline)
        found = RegisteredSchema(
            id=number,
            kind=schema.schema_type or "AVRO",
            text=schema.schema_str,
            files=tuple(files.values()),
        )
        with self._lock:
            self._found[number] = found
        log.info("schema.found", id=number, kind=found.kind)
        return found

    def _collect(self, references: Any, files: dict[str, SchemaFile], deadline: Deadline) -> None:
        """Add the referred schemas, those that they need first."""
        for reference in references:
            if reference.name in files:
                continue
            subject, version = reference.subject, reference.version
            answer = self._patiently(
                lambda s=subject, v=version: self._client.get_version(s, v),  # type: ignore[misc]
                f"{subject} version {version}",
                deadline,
            )
            if answer is None:
                raise TerminalError(
                    f"registry {self._settings.url}: a schema refers to {subject} version {version},"
                    " which it does not have",
                    hint="register it",
                )
            self._collect(answer.schema.references or (), files, deadline)
            files[reference.name] = SchemaFile(name=reference.name, text=answer.schema.schema_str or "")

    def _patiently(
        self, ask: Callable[[], _T], what: str, deadline: Deadline, *, wait_for_missing: bool = False
    ) -> _T | None:
        """Ask until there is an answer; None is the registry's word that there is no such thing."""
        from confluent_kafka.schema_registry.common._httpx_compat import httpx  # noqa: PLC0415
        from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415

        attempt, missing, reason = 0, False, "no answer"
        while True:
            try:
                return ask()
            except SchemaRegistryError as error:
                status = error.http_status_code
                missing, reason = status == _NOT_FOUND, f"HTTP {status}: {error.error_message}"
                if status in _REFUSED:
                    self._refuse(what, reason, error)
                if not missing and status not in _PASSING:
                    raise TerminalError(
                        f"registry {self._settings.url}: {what}: {reason}", hint=NEXT
                    ) from error
                if missing and not wait_for_missing:
                    return None
            except (httpx.HTTPError, ValueError) as error:  # ValueError: an answer that is no JSON
                missing, reason = False, str(error) or type(error).__name__
            if deadline.expired():
                if missing:
                    return None
                raise UnavailableError(REGISTRY, f"{self._settings.url}: {what}: {reason}", hint=NEXT)
            deadline.pause(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
            attempt += 1

    def _refuse(self, what: str, reason: str, error: Exception) -> Never:
        raise ConfigurationError(
            f"registry {self._settings.url} refused {what}: {reason}",
            hint="check registry.username and registry.password",
        ) from error


def _configuration(settings: RegistrySettings) -> dict[str, Any]:
    """Return the client's properties; retries are ours, for they end with the caller's deadline."""
    values: dict[str, Any] = {
        "url": settings.url,
        "timeout": settings.timeout_seconds,
        "max.retries": 0,
        "cache.latest.ttl.sec": 1,
    }
    if settings.username:
        values["basic.auth.user.info"] = f"{settings.username}:{settings.password.get_secret_value()}"
    if settings.ca_file is not None:
        values["ssl.ca.location"] = str(settings.ca_file)
    return values

"""The destination's side: a port, and the HTTP API with batch upsert behind it.

Contract that an API has to keep (docs/activation.md): a record whose idempotency key was accepted before is
answered as accepted and not applied again; a refused record leaves no trace under its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote

import httpx
import stamina
import stamina.instrumentation
from pyrate_limiter import Limiter, Rate

from lake.activation.answers import Again, check_status, read_results
from lake.activation.definition import Destination, Sync
from lake.activation.sync_file import resolve
from lake.control.activation_values import Delivery, Operation, Outcome, Payload
from lake.errors import ConfigurationError, OutcomeUnknownError, UnavailableError
from lake.log import get_logger
from lake.settings import Settings

log = get_logger("activation")
# Retries are events of ours, with path and reason; stamina's own would say each a second time.
stamina.instrumentation.set_on_retry_hooks(())


class Target(Protocol):
    """Where records go."""

    def send(self, members: Sequence[Delivery]) -> tuple[Outcome, ...]:
        """Hand over records, all upserts or all deletes; return one outcome each, in order.

        Repeating a call with the same members is harmless. Raises TransientError (nothing happened) or
        OutcomeUnknownError (it may have) when there is no answer after all retries.
        """

    def read(self, key: str) -> Payload | None:
        """Return the properties that the destination holds for a key, None when it has no such record."""


class BatchRefusedError(Exception):
    """The API refused a request as a whole (400, 409, 413, 422), so no member was applied."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class HttpBatch:
    """An API that takes `{<envelope>: [{external_id, properties, idempotency_key}]}` and answers per row."""

    def __init__(self, destination: Destination, *, url: str, token: str) -> None:
        self._destination = destination
        self._place = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=destination.timeout_seconds, trust_env=False
        )
        self._limiter = Limiter(Rate(destination.requests, round(destination.per_seconds * 1000)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
        self._limiter.close()

    def send(self, members: Sequence[Delivery]) -> tuple[Outcome, ...]:
        """Deliver a batch; one that is refused as a whole is halved until the culprits stand alone."""
        if not members:
            return ()
        try:
            return self._deliver(members)
        except BatchRefusedError as refusal:
            if len(members) == 1:
                return (
                    Outcome(delivery=members[0], accepted=False, code=refusal.code, message=refusal.message),
                )
        middle = len(members) // 2
        log.info("batch.halved", records=len(members))
        return self.send(members[:middle]) + self.send(members[middle:])

    def read(self, key: str) -> Payload | None:
        path = self._destination.read.replace("{key}", quote(key, safe=""))
        answer = self._ask("GET", path, None)
        if answer.status_code == 404:
            return None
        check_status(answer, self._place, self._destination.retry_after_max_seconds)
        document = answer.json()
        properties: Payload = document["properties"]
        return properties

    def _deliver(self, members: Sequence[Delivery]) -> tuple[Outcome, ...]:
        deleting = members[0].operation is Operation.DELETE
        rows: list[dict[str, Any]] = [
            {"external_id": m.key, "idempotency_key": str(m.idempotency_key)}
            if deleting
            else {
                "external_id": m.key,
                "properties": dict(m.payload or {}),
                "idempotency_key": str(m.idempotency_key),
            }
            for m in members
        ]
        path = self._destination.delete if deleting else self._destination.upsert
        answer = self._ask("POST", path, {self._destination.envelope: rows})
        if answer.status_code in {400, 409, 413, 422}:
            raise BatchRefusedError(f"http_{answer.status_code}", answer.text[:300])
        check_status(answer, self._place, self._destination.retry_after_max_seconds)
        return read_results(answer, members)

    def _ask(self, method: str, path: str, body: Any) -> httpx.Response:
        """Send one request until there is an answer that says something about it."""
        doubt = False
        try:
            for attempt in self._attempts():
                with attempt:
                    self._limiter.try_acquire("destination")
                    try:
                        return self._once(method, path, body)
                    except Again as again:
                        doubt = doubt or again.in_doubt
                        log.info("request.again", path=path, attempt=attempt.num, reason=str(again))
                        raise
        except Again as again:
            message = f"{self._place} gave no answer to {method} {path} ({again})"
            if doubt and method == "POST":
                raise OutcomeUnknownError(message, hint="lake sync apply sends the same again") from again
            raise UnavailableError(
                "destination", message, hint="lake status, then lake sync apply"
            ) from again
        raise AssertionError("stamina ends by a return or an exception")

    def _attempts(self) -> Iterator[stamina.Attempt]:
        return iter(
            stamina.retry_context(
                on=_wait, attempts=self._destination.attempts, timeout=None, wait_initial=0.2, wait_max=10.0
            )
        )

    def _once(self, method: str, path: str, body: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Again(type(error).__name__, in_doubt=False) from error
        except httpx.TransportError as error:
            raise Again(type(error).__name__, in_doubt=True) from error
        check_status(answer, self._place, self._destination.retry_after_max_seconds, only_again=True)
        return answer


def _wait(error: Exception) -> bool | float:
    """Tell stamina whether to go on, and how long to wait when the server said so."""
    if not isinstance(error, Again) or error.give_up:
        return False
    return True if error.retry_after is None else error.retry_after


@contextmanager
def open_destination(sync: Sync, settings: Settings) -> Iterator[HttpBatch]:
    """Connect a sync to its destination; raises ConfigurationError when a `${name}` has no value."""
    url = resolve(sync.destination.url, settings)
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"sync {sync.name}: destination.url must be an http(s) address",
            hint=f"edit models/activation/{sync.name}.sync.yaml",
        )
    with HttpBatch(sync.destination, url=url, token=resolve(sync.destination.token, settings)) as target:
        yield target

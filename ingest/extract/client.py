"""Fetch one page over HTTP; the adapter where httpx's errors become ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

import httpx
import stamina
import stamina.instrumentation

from ingest.extract.page import Page, PageError, read_page
from ingest.extract.retry import Verdict, judge
from ingest.extract.source import BearerAuth, CursorPagination, Resource, Source, fill_in
from lake.clock import Clock, Deadline
from lake.errors import ConfigurationError, TerminalError, UnavailableError
from lake.http import retry_after
from lake.log import get_logger
from lake.settings import Settings

log = get_logger("extract")

# Retries are events of ours, with resource and reason; stamina's own would say each a second time.
stamina.instrumentation.set_on_retry_hooks(())

_EXCERPT = 200  # characters of an error's body in a message


class _Again(Exception):  # noqa: N818  never leaves this module
    """Try again, after `wait` seconds when the server said how long; `absent` when nothing listens."""

    def __init__(self, reason: str, *, wait: float | None = None, absent: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.absent = absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page, or None when the server says that nothing changed since `etag` was given."""

    page: Page | None
    etag: str | None


class ApiClient:
    """Talks to one source; safe for several threads, keeps connections open.

    Redirects are not followed: the token belongs to one host.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        clock: Clock,
        *,
        transport: httpx.BaseTransport | None = None,
        stop: Event | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._stop = stop or Event()  # set: nothing is tried again
        self._base = fill_in(source.base_url, settings.variables, source=source.source).rstrip("/")
        headers = {"accept": "application/json"}
        if isinstance(source.auth, BearerAuth):
            token = fill_in(source.auth.token, settings.variables, source=source.source)
            headers["authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            headers=headers,
            timeout=source.timeout_seconds,
            limits=httpx.Limits(max_connections=source.concurrency),
            transport=transport,
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def fetch(self, resource: Resource, query: Mapping[str, str], *, etag: str | None = None) -> Answer:
        """Return a page; busy, broken and cut-off answers are tried again for `retry.total_seconds`.

        Raises UnavailableError when that time is over, ConfigurationError when the credentials are
        refused, TerminalError for any other answer.
        """
        retry = self._source.retry
        deadline = Deadline.after(retry.total_seconds, self._clock)
        patience = Deadline.after(min(retry.connect_seconds, retry.total_seconds), self._clock)

        def pause(error: Exception) -> bool | timedelta:
            if not isinstance(error, _Again) or self._stop.is_set():
                return False
            log.info("extract.retried", resource=resource.name, reason=str(error), wait=error.wait)
            if error.wait is None:
                return not (patience if error.absent else deadline).expired()
            return timedelta(seconds=error.wait) if error.wait < deadline.remaining() else False

        attempts = stamina.retry_context(
            on=pause,
            attempts=None,
            timeout=retry.total_seconds,
            wait_initial=retry.wait_initial_seconds,
            wait_max=retry.wait_max_seconds,
            wait_jitter=retry.wait_initial_seconds,
        )
        try:
            for attempt in attempts:
                with attempt:
                    return self._once(resource, query, etag)
        except _Again as error:
            waits = f"; it asks to wait {error.wait:g} s" if error.wait else ""
            raise UnavailableError(
                f"API {self._source.source}",
                f"{_without_credentials(self._base)}{resource.path} gave no page ({error}{waits})",
                hint=f"start the API (the demo's: make demo), then lake extract run {self._source.source}",
            ) from error
        raise AssertionError("stamina either returns or raises")

    def _once(self, resource: Resource, query: Mapping[str, str], etag: str | None) -> Answer:
        headers = {"if-none-match": etag} if etag else {}
        try:
            response = self._http.get(self._base + resource.path, params=dict(query), headers=headers)
        except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError) as error:
            absent = isinstance(error, httpx.ConnectError)
            raise _Again(str(error) or type(error).__name__, absent=absent) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigurationError(
                f"source {self._source.source}: base_url is no address ({error})",
                hint="check the variables of the settings",
            ) from error
        match judge(response.status_code):
            case Verdict.UNCHANGED:
                return Answer(page=None, etag=etag)
            case Verdict.AGAIN:
                wait = retry_after(response.headers.get("retry-after"), self._clock.now())
                raise _Again(f"status {response.status_code}", wait=wait)
            case Verdict.REFUSED:
                raise ConfigurationError(
                    f"API {self._source.source} refused the token for {resource.path}"
                    f" (status {response.status_code})",
                    hint=f"check the variable in auth.token of source {self._source.source}",
                )
            case Verdict.WRONG:
                raise TerminalError(
                    f"API {self._source.source} answered {resource.path} with status"
                    f" {response.status_code}: {response.text[:_EXCERPT]}",
                    hint=f"compare ingest/sources/{self._source.source}.yaml with the API's documentation",
                )
        onward = resource.pagination
        following = onward.next if isinstance(onward, CursorPagination) else None
        try:
            page = read_page(response.content, records=resource.records, following=following)
        except PageError as error:
            raise _Again(error.message) from error
        return Answer(page=page, etag=response.headers.get("etag"))


def _without_credentials(address: str) -> str:
    """Return an address as it may be shown: a name and password in it are left out."""
    return re.sub(r"//[^/@]*@", "//", address)

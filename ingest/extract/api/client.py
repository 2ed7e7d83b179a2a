"""Fetch one page over HTTP; the adapter where httpx's errors become ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event

import httpx
import stamina
import stamina.instrumentation

from ingest.extract.api.auth import TokenError, make_auth, without_secret
from ingest.extract.api.definition import ApiResource, ApiSource
from ingest.extract.api.limits import HostGate
from ingest.extract.api.page import Page, PageError, read_page
from ingest.extract.api.pagination import Ask, is_address
from ingest.extract.api.retry import Verdict, judge
from ingest.extract.definition import fill_in
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


class MissingError(TerminalError):
    """The API has no such thing (404)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """What an answer is recognised by when nothing changed (RFC 9110 §8.8)."""

    etag: str | None = None
    modified: str | None = None

    def headers(self) -> dict[str, str]:
        values = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page, or None when the server says that nothing changed; `validator` belongs to the answer."""

    page: Page | None
    validator: Validator


class ApiClient:
    """Talks to one source; safe for several threads, keeps connections open.

    Redirects are not followed, nor are addresses on other hosts: credentials belong to one host.
    """

    def __init__(
        self,
        source: ApiSource,
        settings: Settings,
        clock: Clock,
        *,
        gate: HostGate | None = None,
        transport: httpx.BaseTransport | None = None,
        stop: Event | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._gate = gate or HostGate(source.rate_limit, clock)
        self._stop = stop or Event()  # set: nothing is tried again

        def resolve(text: str) -> str:
            return fill_in(text, settings.variables, source=source.source)

        self._base = resolve(source.base_url).rstrip("/")
        self._http = httpx.Client(
            auth=make_auth(source.auth, resolve, clock),
            headers={"accept": "application/json"},
            timeout=source.timeout_seconds,
            limits=httpx.Limits(max_connections=source.concurrency),
            transport=transport,
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def fetch(self, resource: ApiResource, ask: Ask, *, validator: Validator | None = None) -> Answer:
        """Return a page; busy, broken and cut-off answers are tried again for `retry.total_seconds`.

        Raises UnavailableError when that time is over, ConfigurationError when the credentials are
        refused, MissingError for 404, TerminalError for any other answer.
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
            if error.wait >= deadline.remaining():
                return False
            self._gate.close_for(error.wait)
            return timedelta(seconds=error.wait)

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
                    return self._once(resource, ask, validator or Validator(), deadline)
        except _Again as error:
            waits = f"; it asks to wait {error.wait:g} s" if error.wait else ""
            raise UnavailableError(
                f"API {self._source.source}",
                f"{_without_credentials(self._base)}{resource.path} gave no page ({error}{waits})",
                hint=f"start the API (the demo's: make demo), then lake extract run {self._source.source}",
            ) from error
        raise AssertionError("stamina either returns or raises")

    def _once(self, resource: ApiResource, ask: Ask, validator: Validator, deadline: Deadline) -> Answer:
        response = self._send(resource, ask, validator, deadline)
        status = response.status_code
        match judge(status):
            case Verdict.UNCHANGED:
                return Answer(page=None, validator=validator)
            case Verdict.AGAIN:
                wait = retry_after(response.headers.get("retry-after"), self._clock.now())
                raise _Again(f"status {status}", wait=wait)
            case Verdict.REFUSED:
                raise self._refused(f"{resource.path} (status {status})")
            case Verdict.WRONG:
                raise (MissingError if status == 404 else TerminalError)(
                    f"API {self._source.source} answered {resource.path} with status {status}:"
                    f" {response.text[:_EXCERPT]}",
                    hint=f"compare ingest/sources/{self._source.source}.yaml with the API's documentation",
                )
        try:
            page = read_page(response.content, resource, link=response.links.get("next", {}).get("url"))
        except PageError as error:
            raise _Again(error.message) from error
        if is_address(resource.pagination):
            page = self._anchored(page, response.url, resource)
        headers = response.headers
        return Answer(
            page=page, validator=Validator(etag=headers.get("etag"), modified=headers.get("last-modified"))
        )

    def _send(
        self, resource: ApiResource, ask: Ask, validator: Validator, deadline: Deadline
    ) -> httpx.Response:
        if not self._gate.enter(deadline):
            raise _Again("its rate limit leaves no turn in time")
        try:
            address = httpx.URL(self._base)
            if ask.address is not None:
                address = address.join(ask.address)
            else:
                address = httpx.URL(self._base + ask.path).copy_merge_params(dict(ask.query))
            return self._http.get(address, headers=validator.headers())
        except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError) as error:
            absent = isinstance(error, httpx.ConnectError)
            raise _Again(str(error) or type(error).__name__, absent=absent) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigurationError(
                f"source {self._source.source}: base_url is no address ({error})",
                hint="check the variables of the settings",
            ) from error
        except TokenError as error:
            if error.again:
                raise _Again(error.message) from error
            raise self._refused(f"{resource.path} ({error.message})") from error

    def _refused(self, what: str) -> ConfigurationError:
        name = self._source.source
        return ConfigurationError(
            f"API {name} refused the credentials for {what}",
            hint=f"check the variables of auth in source {name}",
        )

    def _anchored(self, page: Page, asked: httpx.URL, resource: ApiResource) -> Page:
        """Return the page with the next address as path and query on our host.

        What is kept of it names no host and no key, so that it can be stored; another host is refused.
        """
        given = page.link or page.next
        if not given:
            return page
        address = without_secret(asked.join(given), self._source.auth)
        if (address.scheme, address.netloc) != (asked.scheme, asked.netloc):
            raise TerminalError(
                f"{resource.path} names a next page on another host ({address.host}): it is not asked,"
                " our credentials belong to one host",
                hint=f"compare base_url of source {self._source.source} with the API's documentation",
            )
        anchored = address.raw_path.decode("ascii")
        return replace(page, link=anchored, next=anchored)


def _without_credentials(address: str) -> str:
    """Return an address as it may be shown: a name and password in it are left out."""
    return re.sub(r"//[^/@]*@", "//", address)

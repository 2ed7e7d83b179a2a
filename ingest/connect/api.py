"""The Streams API of Redpanda Connect, as its code behaves; the adapter where httpx's errors become ours.

What is avoided: the call that replaces all streams at once (not atomic, and it takes away those of others)
and PATCH (no lint). A DELETE or PUT without `timeout` can wait for ever for a blocked output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from lake.errors import ConfigurationError, OutcomeUnknownError, UnavailableError
from lake.settings import ConnectSettings

_MARGIN_SECONDS = 10.0  # beyond what Connect gives itself to stop a stream
_EXCERPT = 300
_SHORTEST_SECRET = 4  # shorter values would make every message unreadable
_HINT = "check LAKE_CONNECT__URL, and that Connect runs in streams mode; then lake connect plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stream as Connect holds it; `active` is False once its input has ended."""

    stream: str
    active: bool
    uptime_seconds: float
    config: Any = field(repr=False, default=None)  # as it was sent, secrets and all


class ConnectClient:
    """Talks to one instance; safe to use again after any error."""

    def __init__(
        self,
        settings: ConnectSettings,
        *,
        hidden: Iterable[str] = (),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._hidden = [value for value in hidden if len(value) >= _SHORTEST_SECRET]
        auth = None
        if settings.username:
            auth = httpx.BasicAuth(settings.username, settings.password.get_secret_value())
        self._http = httpx.Client(
            base_url=settings.url.rstrip("/"),
            auth=auth,
            timeout=settings.timeout_seconds,
            transport=transport,
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def streams(self) -> dict[str, Running]:
        """Return all streams, also those of others, without their configurations."""
        found = self._read("/streams")
        return {name: _running(name, info) for name, info in found.items()}

    def stream(self, name: str) -> Running | None:
        """Return one stream with its configuration, None when there is none."""
        response = self._ask("GET", f"/streams/{name}")
        if response.status_code == 404:
            return None
        return _running(name, self._document(response))

    def stats(self, name: str) -> dict[str, Any] | None:
        """Return a stream's counters and timings, None when there is no such stream."""
        response = self._ask("GET", f"/streams/{name}/stats")
        return None if response.status_code == 404 else self._document(response)

    def not_ready(self) -> str:
        """Return what Connect says is not connected; empty when all is, or when nothing runs."""
        response = self._ask("GET", "/ready")
        return "" if response.status_code == 200 else response.text.strip()

    def create(self, name: str, config: Mapping[str, Any]) -> None:
        """Start a stream. Raises ConfigurationError when it is refused, OutcomeUnknownError: look then."""
        self._change("POST", name, config)

    def replace(self, name: str, config: Mapping[str, Any]) -> None:
        """Stop a stream and start it anew: Connect deletes first, so afterwards it may be gone."""
        self._change("PUT", name, config)

    def delete(self, name: str) -> None:
        """Stop and forget a stream; one that is not there is no error."""
        self._change("DELETE", name, None)

    def _change(self, method: str, name: str, config: Mapping[str, Any] | None) -> None:
        stop = self._settings.stop_seconds
        try:
            response = self._http.request(
                method,
                f"/streams/{name}",
                json=config,
                params={} if method == "POST" else {"timeout": f"{stop:g}s"},
                timeout=stop + _MARGIN_SECONDS,
            )
        except httpx.ConnectError as error:
            raise self._silent(error) from error
        except httpx.HTTPError as error:
            raise OutcomeUnknownError(
                f"connect: {method} of stream {name} got no answer ({type(error).__name__})",
                hint="lake connect status, then lake connect apply",
            ) from error
        self._check_access(response)
        if response.status_code == 400:
            raise ConfigurationError(
                f"connect refused stream {name}: {self._masked('; '.join(_lint(response)))}",
                hint="edit its file in ingest/pipelines, then lake connect apply",
            )
        if response.status_code != 200 and not (method == "DELETE" and response.status_code == 404):
            raise OutcomeUnknownError(
                f"connect: {method} of stream {name} answered {response.status_code}",
                hint="lake connect status, then lake connect apply",
            )

    def _read(self, path: str) -> dict[str, Any]:
        return self._document(self._ask("GET", path))

    def _ask(self, method: str, path: str) -> httpx.Response:
        try:
            response = self._http.request(method, path)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigurationError(
                f"connect: {self._settings.url} is no address ({error})", hint="check LAKE_CONNECT__URL"
            ) from error
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        self._check_access(response)
        return response

    def _document(self, response: httpx.Response) -> dict[str, Any]:
        try:
            found = response.json()
        except ValueError:
            found = None
        if response.status_code != 200 or not isinstance(found, dict):
            raise UnavailableError(
                "connect",
                f"{response.request.url.path} answered {response.status_code}, and not as a Streams API does",
                hint=_HINT,
            )
        return found

    def _masked(self, text: str) -> str:
        for value in self._hidden:
            text = text.replace(value, "…")
        return text

    def _check_access(self, response: httpx.Response) -> None:
        if response.status_code in {401, 403}:
            raise ConfigurationError(
                f"connect: {self._settings.url} refuses user {self._settings.username or '(none)'}",
                hint="check LAKE_CONNECT__USERNAME and LAKE_CONNECT__PASSWORD",
            )

    def _silent(self, error: httpx.HTTPError) -> UnavailableError:
        reason = type(error).__name__
        return UnavailableError("connect", f"{self._settings.url} does not answer ({reason})", hint=_HINT)


def _running(name: str, info: Mapping[str, Any]) -> Running:
    return Running(
        stream=name,
        active=bool(info.get("active")),
        uptime_seconds=float(info.get("uptime") or 0.0),
        config=info.get("config"),
    )


def _lint(response: httpx.Response) -> list[str]:
    """Return the lines of a refusal: the documentation names another member than the code sends."""
    try:
        found = response.json()
        lines = found.get("lint_errors") or found.get("linting_errors") or [response.text]
    except (ValueError, AttributeError):
        lines = [response.text]
    return [str(line).strip()[:_EXCERPT] for line in lines]

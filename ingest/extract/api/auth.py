"""Credentials on requests: one small httpx.Auth for each kind."""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Lock

import httpx
import msgspec

from ingest.extract.api.definition import ApiKeyAuth, Auth, BasicAuth, BearerAuth, NoAuth, OAuth2Auth
from ingest.extract.api.retry import Verdict, judge
from lake.clock import Clock
from lake.errors import LakeError

Resolve = Callable[[str], str]  # fills in `${name}`

_EARLY = 0.1  # a token counts as expired when a tenth of its life is left
_LONGEST_EARLY = 60.0
_UNKNOWN_LIFE = 300.0  # seconds, when the endpoint doesn't say


class TokenError(LakeError):
    """The token endpoint gave no token; `again` says that it may later."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


def make_auth(auth: Auth, resolve: Resolve, clock: Clock) -> httpx.Auth | None:
    """Return what signs requests; raises ConfigurationError for a missing variable."""
    match auth:
        case NoAuth():
            return None
        case BearerAuth():
            return HeaderAuth("authorization", f"Bearer {resolve(auth.token)}")
        case BasicAuth():
            return httpx.BasicAuth(resolve(auth.user), resolve(auth.password))
        case ApiKeyAuth():
            key = resolve(auth.key)
            return HeaderAuth(auth.name, key) if auth.place == "header" else QueryAuth(auth.name, key)
        case OAuth2Auth():
            return ClientCredentials(auth, resolve, clock)


class HeaderAuth(httpx.Auth):
    """One header on every request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request


class QueryAuth(httpx.Auth):
    """One parameter on every request."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.url = request.url.copy_set_param(self._name, self._value)
        yield request


class ClientCredentials(httpx.Auth):
    """A bearer token by client credentials, shared by all threads, fetched when there is none to use.

    1 Use the token that is kept, or fetch one. 2 On 401 it was withdrawn early: fetch another, ask once
    more, and take that answer whatever it is.
    """

    requires_response_body = True

    def __init__(self, auth: OAuth2Auth, resolve: Resolve, clock: Clock) -> None:
        self._auth = auth
        self._url = resolve(auth.token_url)
        self._id = resolve(auth.client_id)
        self._secret = resolve(auth.client_secret)
        self._clock = clock
        self._lock = Lock()  # one thread fetches, the others wait for its token
        self._token: str | None = None
        self._ends_at = 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = yield from self._usable(refused=None)  # 1
        request.headers["authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:  # 2
            token = yield from self._usable(refused=token)
            request.headers["authorization"] = f"Bearer {token}"
            yield request

    def _usable(self, *, refused: str | None) -> Generator[httpx.Request, httpx.Response, str]:
        with self._lock:
            if self._token is None or self._token == refused or self._clock.monotonic() >= self._ends_at:
                response = yield self._request()
                self._token, life = _read_token(response.status_code, response.read())
                early = min(_LONGEST_EARLY, life * _EARLY)
                self._ends_at = self._clock.monotonic() + life - early
            return self._token

    def _request(self) -> httpx.Request:
        form: dict[str, str] = {"grant_type": "client_credentials"}
        form |= {name: value for name in ("scope", "audience") if (value := getattr(self._auth, name))}
        if self._auth.credentials == "body":
            form |= {"client_id": self._id, "client_secret": self._secret}
        request = httpx.Request("POST", self._url, data=form, headers={"accept": "application/json"})
        if self._auth.credentials == "header":
            request = next(httpx.BasicAuth(self._id, self._secret).auth_flow(request))
        return request


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


def _read_token(status: int, body: bytes) -> tuple[str, float]:
    """Return token and seconds to live; what the endpoint says is never shown, it may echo the secret."""
    verdict = judge(status)
    if verdict is not Verdict.PAGE:
        raise TokenError(f"the token endpoint answered with status {status}", again=verdict is Verdict.AGAIN)
    try:
        answer = msgspec.json.decode(body, type=_Answer, strict=False)
    except msgspec.DecodeError as error:
        raise TokenError("the token endpoint's answer holds no token", again=True) from error
    return answer.access_token, answer.expires_in or _UNKNOWN_LIFE


def without_secret(address: httpx.URL, auth: Auth) -> httpx.URL:
    """Return an address that an API gave us without the key that it may have repeated from our query."""
    if isinstance(auth, ApiKeyAuth) and auth.place == "query":
        return address.copy_remove_param(auth.name)
    return address

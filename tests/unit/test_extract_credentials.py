"""Credentials and limits of APIs: what signs a request, tokens that end, the rate that a host allows."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ingest.extract.api.client import ApiClient
from ingest.extract.api.definition import RateLimit
from ingest.extract.api.limits import HostGate, HostGates
from ingest.extract.api.pagination import Ask
from lake.clock import Clock, Deadline, SystemClock
from lake.errors import ConfigurationError
from lake.settings import Settings
from tests.fakes.api_client import HandClock, client_of, resource
from tests.fakes.paged_api import extract_project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return extract_project(tmp_path / "project", Settings(project_root=tmp_path))


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"type": "none"}, {}),
        ({"type": "bearer", "token": "${secret}"}, {"authorization": "Bearer hush"}),
        (
            {"type": "basic", "user": "me", "password": "${secret}"},
            {"authorization": f"Basic {base64.b64encode(b'me:hush').decode()}"},
        ),
        ({"type": "api_key", "key": "${secret}", "name": "x-key"}, {"x-key": "hush"}),
    ],
)
def test_each_kind_of_credentials_signs_the_request(
    settings: Settings, auth: dict[str, str], sent: dict[str, str]
):
    """And adds nothing else."""
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"data": []})

    client_of(settings, httpx.MockTransport(answer), auth=auth).fetch(resource(), Ask(path="/things"))

    assert {name: seen[0][name] for name in ("authorization", "x-key") if name in seen[0]} == sent


@dataclass
class TokenApi:
    """An API behind a token endpoint; only the newest token is good."""

    tokens: int = 0
    refuses: bool = False
    faults: list[httpx.Response] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            if self.faults:
                return self.faults.pop(0)
            self.forms.append(f"{request.headers.get('authorization', '')} {request.content.decode()}")
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": 100})
        good = request.headers["authorization"] == f"Bearer t{self.tokens}" and not self.refuses
        self.pages.append(200 if good else 401)
        return httpx.Response(200, json={"data": []}) if good else httpx.Response(401)


OAUTH2 = {
    "type": "oauth2",
    "token_url": "http://login.test/token",
    "client_id": "us",
    "client_secret": "${secret}",
    "scope": "read",
}


def token_client(settings: Settings, api: TokenApi, clock: Clock | None = None, **given: str) -> ApiClient:
    return client_of(settings, httpx.MockTransport(api.handle), clock, auth=OAUTH2 | given)


def test_a_token_is_fetched_once_and_again_when_it_expires(settings: Settings):
    """It is renewed a little early, never for each request."""
    api, clock = TokenApi(), HandClock()
    client = token_client(settings, api, clock)

    for passed, tokens in ((0, 1), (80, 1), (11, 2), (80, 2)):
        clock.moment += passed
        client.fetch(resource(), Ask(path="/things"))
        assert api.tokens == tokens

    assert (
        api.forms[0]
        == f"Basic {base64.b64encode(b'us:hush').decode()} grant_type=client_credentials&scope=read"
    )


def test_a_token_that_was_withdrawn_is_renewed_once_per_request(settings: Settings):
    """The first 401 fetches another token; the second is an answer."""
    api = TokenApi()
    client = token_client(settings, api)
    client.fetch(resource(), Ask(path="/things"))
    api.tokens += 1  # the one that the client holds is old now

    client.fetch(resource(), Ask(path="/things"))

    assert api.pages == [200, 401, 200]
    api.refuses = True
    with pytest.raises(ConfigurationError, match="refused the credentials for /things"):
        client.fetch(resource(), Ask(path="/things"))
    assert api.pages[3:] == [401, 401]


def test_a_busy_token_endpoint_is_asked_again_and_a_refusal_is_final(settings: Settings):
    """503 and a cut body pass; 400 names the source and never the secret."""
    api = TokenApi(faults=[httpx.Response(503), httpx.Response(200, content=b'{"access_')])
    token_client(settings, api, credentials="body").fetch(resource(), Ask(path="/things"))

    assert api.pages == [200]
    assert "client_secret=hush" in api.forms[0]
    api.faults = [httpx.Response(400, text="bad secret: hush")]
    with pytest.raises(ConfigurationError, match="refused the credentials") as caught:
        token_client(settings, api).fetch(resource(), Ask(path="/things"))
    assert "hush" not in str(caught.value)
    assert "source shop" in caught.value.hint


def test_all_threads_of_a_host_share_its_rate():
    """Two sources on one host: no window of the stricter limit holds more requests than it allows."""
    window = 0.2
    gates = HostGates(
        [
            ("http://a.test/x", RateLimit(requests=100)),
            ("http://a.test", RateLimit(requests=4, seconds=window)),
            ("http://b.test", None),
        ],
        SystemClock(),
    )
    clock, times = SystemClock(), []
    deadline = Deadline.after(60, clock)

    def enter(_number: int) -> None:
        assert gates.of("http://a.test/y").enter(deadline)
        times.append(clock.monotonic())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(12)))
    gates.close()

    assert gates.of("http://b.test") is not gates.of("http://a.test/z")
    times.sort()
    assert all(later - earlier > window * 0.8 for earlier, later in zip(times, times[4:], strict=False))


def test_a_wait_that_a_host_asks_for_holds_for_all():
    """And nobody waits beyond their own deadline."""
    clock = HandClock()
    gate = HostGate(None, clock)
    gate.close_for(5)

    assert not gate.enter(Deadline.after(4, clock))
    assert clock.moment == 1000
    assert gate.enter(Deadline.after(10, clock))
    assert clock.moment == 1005

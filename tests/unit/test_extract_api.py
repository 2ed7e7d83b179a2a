"""The client of an API: verdicts on answers, what is tried again, what is shown of errors."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ingest.extract.api.client import ApiClient
from ingest.extract.api.definition import ApiSource
from ingest.extract.api.pagination import Ask
from ingest.extract.api.retry import Verdict, judge
from ingest.extract.source import load_source
from lake.clock import SystemClock
from lake.errors import ConfigurationError, TerminalError, UnavailableError
from lake.settings import Settings
from tests.fakes.paged_api import PagedApi, extract_project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return extract_project(tmp_path / "project", Settings(project_root=tmp_path))


@pytest.fixture
def source(settings: Settings) -> ApiSource:
    return load_source(settings.project_root / "ingest/sources/shop.yaml")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.PAGE), (304, Verdict.UNCHANGED), (429, Verdict.AGAIN), (500, Verdict.AGAIN),
        (503, Verdict.AGAIN), (408, Verdict.AGAIN), (401, Verdict.REFUSED), (403, Verdict.REFUSED),
        (404, Verdict.WRONG), (400, Verdict.WRONG), (302, Verdict.WRONG), (501, Verdict.WRONG),
    ],
)  # fmt: skip
def test_a_status_says_whether_to_try_again(status: int, verdict: Verdict):
    """Busy and broken pass; wrong requests and redirects don't."""
    assert judge(status) is verdict


def fetch(settings: Settings, source: ApiSource, api: PagedApi):
    client = ApiClient(source, settings, SystemClock(), transport=api.transport())
    return client.fetch(source.resources[0], Ask(path="/things", query={"limit": "5"}))


def test_busy_and_broken_answers_are_tried_again(settings: Settings, source: ApiSource):
    """429 with Retry-After, 503, a cut body, a lost connection: the page comes in the end."""
    api = PagedApi()
    api.put(1, "2026-01-01T00:00:00Z")

    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("connection reset", request=request)

    api.faults = [
        lambda _: httpx.Response(429, headers={"retry-after": "0"}),
        lambda _: httpx.Response(503),
        lambda _: httpx.Response(200, content=b'{"data":[{"id":1'),
        lost,
    ]

    answer = fetch(settings, source, api)

    assert answer.page is not None
    assert len(answer.page.records) == 1
    assert len(api.requests) == 5


def test_a_wait_longer_than_the_patience_is_not_waited(settings: Settings, source: ApiSource):
    """Retry-After beyond the cap ends at once, and the message says what was asked."""
    api = PagedApi(faults=[lambda _: httpx.Response(429, headers={"retry-after": "3600"})])

    with pytest.raises(UnavailableError, match="asks to wait 3600 s"):
        fetch(settings, source, api)

    assert len(api.requests) == 1


def test_a_wrong_request_is_not_repeated(settings: Settings, source: ApiSource):
    """400 is final and shows what the API said."""
    api = PagedApi(faults=[lambda _: httpx.Response(400, text="limit: at most 3")])

    with pytest.raises(TerminalError, match="status 400: limit: at most 3"):
        fetch(settings, source, api)

    assert len(api.requests) == 1


def test_a_redirect_is_not_followed(settings: Settings, source: ApiSource):
    """The token goes to one host only."""
    api = PagedApi(faults=[lambda _: httpx.Response(302, headers={"location": "http://elsewhere.test/"})])

    with pytest.raises(TerminalError, match="status 302"):
        fetch(settings, source, api)

    assert {url.host for url in api.requests} == {"api.test"}


def test_a_wrong_token_is_said_without_showing_it(tmp_path: Path, source: ApiSource):
    """401 names the API and where the token is set."""
    settings = extract_project(tmp_path / "p", Settings(project_root=tmp_path), token="stale-token")

    with pytest.raises(ConfigurationError, match="API shop refused the credentials") as caught:
        fetch(settings, source, PagedApi())

    assert "auth in source shop" in caught.value.hint
    assert "stale-token" not in str(caught.value)


def test_credentials_in_an_address_are_not_shown(tmp_path: Path, source: ApiSource):
    """A name and password in base_url stay out of messages."""
    settings = extract_project(
        tmp_path / "p", Settings(project_root=tmp_path), url="http://someone:hush@127.0.0.1:9"
    )
    client = ApiClient(source, settings, SystemClock())

    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9/things") as caught:
        client.fetch(source.resources[0], Ask(path="/things"))

    assert "hush" not in str(caught.value)

"""The pieces that talk to APIs: verdicts, pages, paths, pagination, credentials, limits, the client."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from ingest.extract.api.client import ApiClient
from ingest.extract.api.definition import ApiResource, ApiSource, RateLimit
from ingest.extract.api.limits import HostGate, HostGates
from ingest.extract.api.page import Page, PageError, read_page
from ingest.extract.api.pagination import Ask, Walk
from ingest.extract.api.retry import Verdict, judge
from ingest.extract.source import load_source
from lake.clock import Clock, Deadline, SystemClock
from lake.errors import ConfigurationError, TerminalError, UnavailableError
from lake.settings import Settings
from tests.fakes.paged_api import SOURCE, PagedApi, extract_project


@pytest.fixture
def source(tmp_path: Path) -> ApiSource:
    path = tmp_path / "shop.yaml"
    path.write_text(SOURCE)
    return load_source(path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return extract_project(tmp_path / "project", Settings(project_root=tmp_path))


def resource(**given: Any) -> ApiResource:
    """Make a resource of what matters to a test."""
    plain = {"name": "things", "path": "/things", "stream": "things", "incremental": {}}
    return ApiResource.model_validate(plain | given)


def page_of(records: int, **given: Any) -> Page:
    return Page(records=(b"{}",) * records, **given)


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


def test_records_keep_their_bytes():
    """Spaces and the order of members survive: quarantine shows what was sent."""
    page = read_page(
        b'{"x":{"data":[ {"b" : 1,"a":2}, 7 ]},"next":"c2"}',
        resource(records="x.data", pagination={"type": "cursor"}),
    )

    assert page.records == (b'{"b" : 1,"a":2}', b"7")
    assert page.next == "c2"


@pytest.mark.parametrize("body", [b"", b'{"data":[1,', b"[]", b'{"data":{}}', b'{"rows":[]}', b"<html>"])
def test_an_answer_that_is_no_page_is_an_error(body: bytes):
    """Cut-off or foreign answers are never taken for an empty page."""
    with pytest.raises(PageError):
        read_page(body, resource(pagination={"type": "cursor"}))


@pytest.mark.parametrize("last", [b'{"data":[]}', b'{"data":[],"next":null}', b'{"data":[],"next":""}'])
def test_no_cursor_means_the_last_page(last: bytes):
    """Null, empty and missing all end the walk."""
    assert read_page(last, resource(pagination={"type": "cursor"})).next is None


def test_a_walk_asks_for_page_size_cursor_and_time(source: ApiSource):
    """Each page is asked for with the same time and the cursor of the page before."""
    walk = Walk(resource=source.resources[0])
    following = walk.advance(page_of(5, next="c2"))

    assert walk.ask(None) == Ask(path="/things", query={"limit": "5"})
    assert following is not None
    assert following.ask("2026-01-01T00:00:00Z").query == {
        "limit": "5",
        "cursor": "c2",
        "updated_since": "2026-01-01T00:00:00Z",
    }
    assert following.advance(page_of(5)) is None


def test_a_walk_in_a_circle_is_an_error(source: ApiSource):
    """A cursor that was seen before, even long ago, ends the run."""
    walk = Walk(resource=source.resources[0])
    for cursor in ("a", "b", "c"):
        walk = walk.advance(page_of(1, next=cursor)) or pytest.fail("ended early")

    with pytest.raises(TerminalError, match="names the page 'a' twice"):
        walk.advance(page_of(1, next="a"))


def test_a_walk_through_empty_pages_ends(source: ApiSource):
    """New cursors without records don't go on for ever."""

    def follow(walk: Walk, number: int = 0) -> None:
        following = walk.advance(page_of(0, next=str(number)))
        assert following is not None
        follow(following, number + 1)

    with pytest.raises(TerminalError, match="empty pages in a row"):
        follow(Walk(resource=source.resources[0]))


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


# -- selection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "records"),
    [
        ("$.data[*].lines[*]", (b'{"n" : 1.10}', b'{"n":2}')),
        ("$.data[?@.id == 7].lines[*]", (b'{"n":2}',)),
        ("$.by_name.*", (b"[ 1]", b"null")),
        ("$.nothing[*]", ()),
    ],
)
def test_jsonpath_says_where_records_are_and_their_bytes_stay(path: str, records: tuple[bytes, ...]):
    """Digits and spaces survive: 1.10 is no 1.1 for a decimal with two digits."""
    body = (
        b'{"data":[{"id":1,"lines":[{"n" : 1.10}]},{"id":7,"lines":[{"n":2}]}],"by_name":{"a":[ 1],"b":null}}'
    )

    assert read_page(body, resource(records=path)).records == records


def test_a_path_that_is_no_jsonpath_is_refused_with_its_place(tmp_path: Path):
    """The file and the key are named before anything is asked."""
    path = tmp_path / "shop.yaml"
    path.write_text(SOURCE.replace("path: /things", "path: /things\n    records: '$.['"))

    with pytest.raises(ConfigurationError, match=r"shop\.yaml: resources\.0: .*\$\.\[ is no JSONPath"):
        load_source(path)


# -- pagination --------------------------------------------------------------------------------------------


def steps(pagination: dict[str, Any], *pages: Page) -> list[dict[str, str] | str]:
    """Return what is asked for, page by page, until the walk ends."""
    walk: Walk | None = Walk(resource=resource(pagination=pagination, page_size={"value": 2}))
    asked: list[dict[str, str] | str] = []
    for page in pages:
        assert walk is not None
        ask = walk.ask(None)
        asked.append(ask.address or dict(ask.query))
        walk = walk.advance(page)
    assert walk is None
    return asked


def test_numbered_pages_end_with_an_empty_one_or_with_their_total():
    """A short page is no end: some APIs filter after they cut."""
    size = {"limit": "2"}

    assert steps({"type": "page"}, page_of(2), page_of(1), page_of(0)) == [
        size | {"page": "1"}, size | {"page": "2"}, size | {"page": "3"},
    ]  # fmt: skip
    zero_based = {"type": "page", "first": 0, "total": "pages"}
    assert steps(zero_based, page_of(2, total=2), page_of(2, total=2)) == [
        size | {"page": "0"}, size | {"page": "1"},
    ]  # fmt: skip


def test_offsets_grow_by_what_came():
    """A page that is shorter than asked for leaves no hole."""
    size = {"limit": "2"}

    assert steps({"type": "offset"}, page_of(2), page_of(1), page_of(0)) == [
        size, size | {"offset": "2"}, size | {"offset": "3"},
    ]  # fmt: skip
    assert steps({"type": "offset", "total": "n"}, page_of(2, total=3), page_of(1, total=3)) == [
        size, size | {"offset": "2"},
    ]  # fmt: skip


def test_addresses_are_asked_for_as_they_are_given():
    """Links carry their own query; only the first page is asked for with ours."""
    size = {"limit": "2"}

    assert steps({"type": "link"}, page_of(2, link="/things?p=2"), page_of(1)) == [size, "/things?p=2"]
    assert steps({"type": "next_url"}, page_of(2, next="/t?p=2"), page_of(1)) == [size, "/t?p=2"]
    assert steps({"type": "none"}, page_of(2, next="x", link="y")) == [size]


class OneAnswer(httpx.MockTransport):
    """Answers everything with one page whose next address is given."""

    def __init__(self, following: str) -> None:
        self.asked: list[httpx.URL] = []
        self.following = following
        super().__init__(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        return httpx.Response(200, json={"data": [], "next": self.following})


def client_of(settings: Settings, transport: httpx.BaseTransport, clock: Clock | None = None, **given: Any):
    """Make a client of the test's source with other credentials."""
    plain = {"source": "shop", "owner": "testers", "base_url": "${shop_url}/api", "resources": [resource()]}
    plain["retry"] = {"total_seconds": 2, "wait_initial_seconds": 0.01, "wait_max_seconds": 0.02}
    source = ApiSource.model_validate(plain | given)
    secrets = {"secret": SecretStr("hush"), **settings.variables}
    return ApiClient(
        source,
        settings.model_copy(update={"variables": secrets}),
        clock or SystemClock(),
        transport=transport,
    )


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://api.test/api/things?page=2", "http://api.test/api/things?page=2"),
        ("/api/things?page=2", "http://api.test/api/things?page=2"),
        ("?page=2", "http://api.test/api/things?page=2"),
    ],
)
def test_a_next_address_may_be_whole_or_relative(settings: Settings, given: str, asked: str):
    """It is meant relative to the page that named it."""
    transport, addressed = OneAnswer(given), resource(pagination={"type": "next_url"})
    client = client_of(settings, transport)

    page = client.fetch(addressed, Ask(path="/things")).page
    assert page is not None
    client.fetch(addressed, Ask(address=page.next))

    assert str(transport.asked[-1]) == asked
    assert page.next == "/api/things?page=2"


def test_a_next_address_on_another_host_is_refused(settings: Settings):
    """Our credentials are not carried there."""
    transport = OneAnswer("http://elsewhere.test/things?page=2")

    with pytest.raises(TerminalError, match="on another host"):
        client_of(settings, transport).fetch(resource(pagination={"type": "next_url"}), Ask(path="/things"))

    assert {url.host for url in transport.asked} == {"api.test"}


def test_a_key_that_the_api_repeats_in_an_address_is_not_kept(settings: Settings):
    """Addresses are stored to go on from; a secret must not be."""
    transport = OneAnswer("/api/things?page=2&key=hush")
    auth = {"type": "api_key", "key": "${secret}", "name": "key", "place": "query"}

    answer = client_of(settings, transport, auth=auth).fetch(
        resource(pagination={"type": "next_url"}), Ask(path="/things")
    )

    assert answer.page is not None
    assert answer.page.next == "/api/things?page=2"
    assert transport.asked[0].params["key"] == "hush"


# -- credentials -------------------------------------------------------------------------------------------


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


class HandClock(SystemClock):
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def monotonic(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


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


# -- limits ------------------------------------------------------------------------------------------------


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

"""Pages of APIs: records with their bytes, where the next page is, when a walk ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.extract.api.definition import ApiSource
from ingest.extract.api.page import Page, PageError, read_page
from ingest.extract.api.pagination import Ask, Walk
from ingest.extract.source import load_source
from lake.errors import ConfigurationError, TerminalError
from lake.settings import Settings
from tests.fakes.api_client import client_of, resource
from tests.fakes.paged_api import SOURCE, extract_project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return extract_project(tmp_path / "project", Settings(project_root=tmp_path))


@pytest.fixture
def source(settings: Settings) -> ApiSource:
    return load_source(settings.project_root / "ingest/sources/shop.yaml")


def page_of(records: int, **given: Any) -> Page:
    return Page(records=(b"{}",) * records, **given)


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

"""The pure pieces of extracts: sources, pages, walks, verdicts and waits."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from ingest.extract.client import ApiClient
from ingest.extract.cursor import KEPT_IDENTITIES, Cursor
from ingest.extract.judge import Judge
from ingest.extract.page import PageError, read_page
from ingest.extract.pagination import Walk
from ingest.extract.plan import plan_extracts
from ingest.extract.retry import Verdict, judge
from ingest.extract.source import Source, fill_in, load_source, load_sources
from lake.clock import SystemClock
from lake.contracts import parse_contract
from lake.errors import BadInputError, ConfigurationError, HistoryError, TerminalError, UnavailableError
from lake.settings import Project, Settings
from lake.types import SnapshotId
from tests.fakes.paged_api import CONTRACT, SOURCE, PagedApi, extract_project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "shop.yaml"
    path.write_text(SOURCE)
    return load_source(path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return extract_project(tmp_path / "project", Settings(project_root=tmp_path))


def test_the_projects_source_feeds_five_streams():
    """`ingest/sources/retail.yaml` and the contracts name each other."""
    extracts = plan_extracts(Project(root=ROOT))

    assert {e.name for e in extracts} == {
        "retail/products",
        "retail/demographics",
        "retail/campaigns",
        "retail/coupons",
        "retail/campaign_descriptions",
    }


def test_names_choose_sources_and_resources(settings: Settings):
    """A source, one of its resources, or nothing for all; anything else is refused by name."""
    project = Project(root=settings.project_root)

    assert [e.name for e in plan_extracts(project, ["shop"])] == ["shop/things"]
    assert [e.name for e in plan_extracts(project, ["shop/things"])] == ["shop/things"]
    with pytest.raises(BadInputError, match="no extract shop/thing; known: shop, shop/things"):
        plan_extracts(project, ["shop/thing"])


def test_a_resource_without_its_contract_is_refused(settings: Settings):
    """Contract and source must name each other."""
    path = settings.project_root / "ingest/contracts/things.yaml"
    path.write_text(CONTRACT.replace("value: shop", "value: other"))

    with pytest.raises(ConfigurationError, match="does not name shop/things"):
        plan_extracts(Project(root=settings.project_root))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("token: '${shop_token}'", "token: secret", "secrets stay out of files"),
        ("path: /things", "path: things", "resources.0.path"),
        ("type: cursor", "type: page", "resources.0.pagination"),
        ("commit_rows: 10", "commit_rows: 0", "commit_rows"),
        ("owner: testers", "owner: testers\nowned: x", "owned"),
    ],
)
def test_a_wrong_source_file_is_named_with_its_key(tmp_path: Path, old: str, new: str, says: str):
    """The message holds file and key, never the value."""
    path = tmp_path / "shop.yaml"
    path.write_text(SOURCE.replace(old, new))

    with pytest.raises(ConfigurationError) as caught:
        load_source(path)

    assert says in caught.value.message
    assert "shop.yaml" in caught.value.message
    assert "token: secret" not in caught.value.message


def test_one_source_stands_in_one_file(tmp_path: Path):
    """A second file of the same source is refused."""
    (tmp_path / "a.yaml").write_text(SOURCE)
    (tmp_path / "b.yaml").write_text(SOURCE)

    with pytest.raises(ConfigurationError, match=r"b\.yaml: source shop stands in another file too"):
        load_sources(tmp_path)


def test_variables_come_from_the_settings():
    """`${name}` is replaced; a missing one is named together with how to set it."""
    variables = {"shop_url": SecretStr("http://x")}

    assert fill_in("${shop_url}/v1", variables, source="shop") == "http://x/v1"
    with pytest.raises(ConfigurationError, match="shop needs the variable shop_token") as caught:
        fill_in("${shop_token}", variables, source="shop")
    assert "LAKE_VARIABLES__SHOP_TOKEN" in caught.value.hint


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
    page = read_page(b'{"x":{"data":[ {"b" : 1,"a":2}, 7 ]},"next":"c2"}', records="x.data", following="next")

    assert page.records == (b'{"b" : 1,"a":2}', b"7")
    assert page.next == "c2"


@pytest.mark.parametrize("body", [b"", b'{"data":[1,', b"[]", b'{"data":{}}', b'{"rows":[]}', b"<html>"])
def test_an_answer_that_is_no_page_is_an_error(body: bytes):
    """Cut-off or foreign answers are never taken for an empty page."""
    with pytest.raises(PageError):
        read_page(body, records="data", following="next")


@pytest.mark.parametrize("last", [b'{"data":[]}', b'{"data":[],"next":null}', b'{"data":[],"next":""}'])
def test_no_cursor_means_the_last_page(last: bytes):
    """Null, empty and missing all end the walk."""
    assert read_page(last, records="data", following="next").next is None


def test_a_walk_asks_for_page_size_cursor_and_time(source: Source):
    """Each page is asked for with the same time and the cursor of the page before."""
    walk = Walk(resource=source.resources[0])
    following = walk.advance("c2", records=5)

    assert walk.parameters(None) == {"limit": "5"}
    assert following is not None
    assert following.parameters("2026-01-01T00:00:00Z") == {
        "limit": "5",
        "cursor": "c2",
        "updated_since": "2026-01-01T00:00:00Z",
    }
    assert following.advance(None, records=5) is None


def test_a_walk_in_a_circle_is_an_error(source: Source):
    """A cursor that was seen before, even long ago, ends the run."""
    walk = Walk(resource=source.resources[0])
    for cursor in ("a", "b", "c"):
        walk = walk.advance(cursor, records=1) or pytest.fail("ended early")

    with pytest.raises(TerminalError, match="names the page cursor 'a' twice"):
        walk.advance("a", records=1)


def test_a_walk_through_empty_pages_ends(source: Source):
    """New cursors without records don't go on for ever."""

    def follow(walk: Walk, number: int = 0) -> None:
        following = walk.advance(str(number), records=0)
        assert following is not None
        follow(following, number + 1)

    with pytest.raises(TerminalError, match="empty pages in a row"):
        follow(Walk(resource=source.resources[0]))


def test_a_cursor_survives_its_property():
    """What is written is read again; what is no cursor is an error, never a fresh start."""
    cursor = Cursor(sequence=7, settled=5, since="x", known=frozenset({"a"}), loose=frozenset({"b"}),
                    etag='"e"', snapshot=SnapshotId(9), snapshot_sequence=3, commits=2)  # fmt: skip

    assert Cursor.from_json(cursor.to_json(), table="raw.things") == cursor
    with pytest.raises(HistoryError, match=r"raw\.things: the stored cursor can't be read"):
        Cursor.from_json('{"sequence": 1}', table="raw.things")


def test_many_identities_are_left_to_the_tables():
    """The property stays small; the cursor says that the rest must be read."""
    many = Cursor(known=frozenset(str(n) for n in range(KEPT_IDENTITIES + 1)))

    assert many.kept().spilled
    assert many.kept().known == frozenset()
    assert not Cursor(known=frozenset({"a"})).kept().spilled


def fetch(settings: Settings, source: Source, api: PagedApi):
    client = ApiClient(source, settings, SystemClock(), transport=api.transport())
    return client.fetch(source.resources[0], {"limit": "5"})


def test_busy_and_broken_answers_are_tried_again(settings: Settings, source: Source):
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


def test_a_wait_longer_than_the_patience_is_not_waited(settings: Settings, source: Source):
    """Retry-After beyond the cap ends at once, and the message says what was asked."""
    api = PagedApi(faults=[lambda _: httpx.Response(429, headers={"retry-after": "3600"})])

    with pytest.raises(UnavailableError, match="asks to wait 3600 s"):
        fetch(settings, source, api)

    assert len(api.requests) == 1


def test_a_wrong_request_is_not_repeated(settings: Settings, source: Source):
    """400 is final and shows what the API said."""
    api = PagedApi(faults=[lambda _: httpx.Response(400, text="limit: at most 3")])

    with pytest.raises(TerminalError, match="status 400: limit: at most 3"):
        fetch(settings, source, api)

    assert len(api.requests) == 1


def test_a_redirect_is_not_followed(settings: Settings, source: Source):
    """The token goes to one host only."""
    api = PagedApi(faults=[lambda _: httpx.Response(302, headers={"location": "http://elsewhere.test/"})])

    with pytest.raises(TerminalError, match="status 302"):
        fetch(settings, source, api)

    assert {url.host for url in api.requests} == {"api.test"}


def test_a_wrong_token_is_said_without_showing_it(tmp_path: Path, source: Source):
    """401 names the API and where the token is set."""
    settings = extract_project(tmp_path / "p", Settings(project_root=tmp_path), token="stale-token")

    with pytest.raises(ConfigurationError, match="API shop refused the token") as caught:
        fetch(settings, source, PagedApi())

    assert "auth.token of source shop" in caught.value.hint
    assert "stale-token" not in str(caught.value)


def test_a_bad_record_lists_every_rule_that_it_breaks():
    """What can't be read and what breaks a rule stand together; the order of records is kept."""
    raw = [
        b'{"id":1,"name":"fine","price":1,"updated_at":"2026-01-01T00:00:00Z"}',
        b'{"id":"x","price":-2,"updated_at":"2026-01-01T00:00:00Z"}',
        b'{"id":3,"name":"cheap","price":-1,"updated_at":"2026-01-01T00:00:00Z"}',
        b"not json",
    ]

    judged = Judge(parse_contract(CONTRACT), instant="updated_at", clock=SystemClock()).judge(raw)

    found = {place: [(f.rule, f.path) for f in failures] for place, failures in judged.failures.items()}
    assert judged.checked.rows["id"].to_pylist() == [1]
    assert judged.checked.good.to_pylist() == [0]
    assert judged.checked.bad == (1, 2, 3)
    assert found == {
        1: [("type", "id"), ("required", "name"), ("minimum", "price")],
        2: [("minimum", "price")],
        3: [("json", "")],
    }


def test_credentials_in_an_address_are_not_shown(tmp_path: Path, source: Source):
    """A name and password in base_url stay out of messages."""
    settings = extract_project(
        tmp_path / "p", Settings(project_root=tmp_path), url="http://someone:hush@127.0.0.1:9"
    )
    client = ApiClient(source, settings, SystemClock())

    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9/things") as caught:
        client.fetch(source.resources[0], {})

    assert "hush" not in str(caught.value)


def test_a_record_from_the_future_never_takes_the_cursor_with_it():
    """It goes to quarantine; the records before and after it land."""
    raw = [
        b'{"id":1,"name":"fine","price":1,"updated_at":"2026-01-01T00:00:00Z"}',
        b'{"id":2,"name":"soon","price":1,"updated_at":"9999-01-01T00:00:00Z"}',
        b'{"id":3,"name":"late","price":1,"updated_at":"2026-01-02T00:00:00Z"}',
    ]

    judged = Judge(parse_contract(CONTRACT), instant="updated_at", clock=SystemClock()).judge(raw)

    assert judged.checked.rows["id"].to_pylist() == [1, 3]
    assert judged.checked.good.to_pylist() == [0, 2]
    assert [(f.rule, f.path) for f in judged.failures[1]] == [("future", "updated_at")]

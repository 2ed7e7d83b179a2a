"""The retail API serves every record once, in a stable order, however it is walked and whatever fails."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest

from demo.calendar import Calendar, midnight
from demo.faults import Faults
from demo.retail.app import KINDS, retail_app
from demo.retail.resources import SOURCES, encode, load_resources

CALENDAR = Calendar.at(datetime(2026, 11, 23, 8, tzinfo=UTC))
TOKEN = "for-this-test"
COUNTS = {
    "products": 92_331,
    "demographics": 801,
    "campaigns": 6_589,
    "coupons": 111_332,
    "campaign_descriptions": 27,
}


@pytest.fixture(scope="module")
def resources():
    return load_resources(CALENDAR)


class Client:
    """Speak HTTP to an application in this process."""

    def __init__(self, app, headers):
        self.app, self.headers = app, headers

    def get(self, url, **options):
        async def send():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://retail", headers=self.headers
            ) as client:
                return await client.get(url, **options)

        return asyncio.run(send())


def client_of(resources, *, rate=0.0, clock=lambda: 0.0):
    faults = Faults(seed=1, rate=rate, kinds=KINDS, clock=clock)
    return Client(retail_app(resources, token=TOKEN, faults=faults), {"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture(scope="module")
def client(resources):
    return client_of(resources)


def walk(client, name, **parameters):
    records, cursor = [], None
    while True:
        page = client.get(f"/v1/{name}", params=parameters | ({"cursor": cursor} if cursor else {})).json()
        records += page["data"]
        cursor = page["next"]
        if cursor is None:
            return records


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_record_comes_once_in_order(client, source):
    """The counts are those of the data, keys are unique, the order is (updated_at, key)."""
    records = walk(client, source.name, limit=5_000)
    order = [(r["updated_at"], *(r[part] for part in source.key)) for r in records]

    assert len(records) == COUNTS[source.name]
    assert len({key for _, *parts in order for key in [tuple(parts)]}) == len(records)
    assert order == sorted(order)


def test_a_record_has_the_fields_of_its_table_and_nulls(client):
    """Names and types as published, with updated_at in UTC."""
    products = walk(client, "products", limit=5_000)

    assert list(products[0]) == [
        "product_id",
        "manufacturer_id",
        "department",
        "brand",
        "product_category",
        "product_type",
        "package_size",
        "updated_at",
    ]
    assert sum(product["package_size"] is None for product in products) == 30_586


def test_campaigns_move_with_the_year(client):
    """Campaign 24 began on 2016-11-14, 465 weeks earlier."""
    campaigns = {c["campaign_id"]: c for c in walk(client, "campaign_descriptions", limit=5)}

    assert campaigns[24]["start_date"] == "2025-10-13"
    assert campaigns[24]["end_date"] == "2025-12-15"


def test_updated_at_depends_on_key_and_shift_alone(resources):
    """The same at every start, before the data begin, moved by a later shift as a whole."""
    source = SOURCES[-1]
    later = Calendar.at(datetime(2026, 12, 1, tzinfo=UTC))
    again, moved = (encode(source, source.load(), calendar) for calendar in (CALENDAR, later))
    times = [datetime.fromisoformat(position[0]) for position in resources[source.name].positions]

    assert again == resources[source.name]
    assert [datetime.fromisoformat(p[0]) - t for p, t in zip(moved.positions, times, strict=True)] == [
        later.shift - CALENDAR.shift
    ] * len(times)
    for resource in resources.values():
        assert resource.positions[-1][0] < midnight(CALENDAR.first_day).isoformat()
        assert max(Counter(position[0] for position in resource.positions).values()) < 10


@pytest.mark.parametrize("limit", [1, 7, 100, 801, 5_000])
def test_any_page_size_gives_the_same_records(client, limit):
    """Pages neither overlap nor leave a gap."""
    name = "campaign_descriptions" if limit < 100 else "demographics"

    assert walk(client, name, limit=limit) == walk(client, name)


def test_updated_since_is_inclusive_and_pages_on(client):
    """Everything from that instant on, over several pages."""
    everything = walk(client, "demographics")
    since = everything[400]["updated_at"]

    assert walk(client, "demographics", updated_since=since, limit=33) == [
        record for record in everything if record["updated_at"] >= since
    ]
    assert walk(client, "demographics", updated_since="2100-01-01T00:00:00Z") == []


def test_updated_since_takes_any_zone_and_parts_of_seconds(client):
    """An offset is converted; half a second after a record leaves it out."""
    last = walk(client, "demographics")[-1]
    moment = datetime.fromisoformat(last["updated_at"])
    elsewhere = f"{moment.hour + 1:02}".join([moment.strftime("%Y-%m-%dT"), moment.strftime(":%M:%S+01:00")])

    assert walk(client, "demographics", updated_since=elsewhere) == [last]
    assert walk(client, "demographics", updated_since=moment.strftime("%Y-%m-%dT%H:%M:%S.5Z")) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "5001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"page": "2"}, "unknown parameter 'page'"),
        ({"updated_since": "yesterday"}, "updated_since"),
        ({"updated_since": "2026-11-01T00:00:00"}, "zone"),
        ({"updated_since": "9999-12-31T23:59:59.9Z"}, "updated_since"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b'["products",null,"2025",1]').decode()}, "does not belong"),
        (
            {"cursor": base64.urlsafe_b64encode(b'["demographics",null,"2025",1,2]').decode()},
            "does not belong",
        ),
        ({"cursor": base64.urlsafe_b64encode(b"[" * 20_000).decode()}, "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(client, query, said):
    """400 says which one; nothing is guessed."""
    answer = client.get("/v1/demographics", params=query)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_a_parameter_given_twice_and_a_cursor_of_another_walk_are_refused(client):
    """Contradictions are not resolved silently."""
    cursor = client.get("/v1/demographics?limit=1&updated_since=2020-01-01T00:00:00Z").json()["next"]

    assert client.get("/v1/demographics?limit=1&limit=2").status_code == 400
    assert (
        client.get(f"/v1/demographics?cursor={cursor}&updated_since=2021-01-01T00:00:00Z").status_code == 400
    )


def test_an_unchanged_page_is_not_sent_again(client):
    """The ETag of a page gives 304 for it, in a list and weak too, and for no other page."""
    first = client.get("/v1/products?limit=10")
    tag = first.headers["etag"]

    for header in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = client.get("/v1/products?limit=10", headers={"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get("/v1/products?limit=11", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer é"])
def test_without_the_token_nothing_is_served(resources, header):
    """401 for all but the two open addresses."""
    client = client_of(resources)
    headers = {} if header is None else {"Authorization": header.encode()}
    client.headers.pop("Authorization")

    answer = client.get("/v1/products", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/").json()["resources"]["products"]["count"] == COUNTS["products"]
    assert client.get("/v1/nothing").status_code == 401


def test_an_unknown_resource_is_not_found(client):
    """404 lists what there is."""
    answer = client.get("/v1/promotions")

    assert answer.status_code == 404
    assert "campaign_descriptions" in answer.json()["error"]["message"]


def test_a_client_that_honours_retry_after_gets_everything(resources):
    """Faults pass: 429 and 503 with Retry-After, 500 without, and never two in a row after waiting."""
    now, met = [0.0], Counter()
    client = client_of(resources, rate=0.5, clock=lambda: now[0])
    records, cursor = [], None
    while True:
        answer = client.get("/v1/demographics", params={"limit": 10} | ({"cursor": cursor} if cursor else {}))
        met[answer.status_code] += 1
        if answer.status_code != httpx.codes.OK:
            assert answer.headers.get("retry-after") == (None if answer.status_code == 500 else "1")
            now[0] += 1.0
            answer = client.get(answer.request.url)
            assert answer.status_code == httpx.codes.OK
        page = json.loads(answer.content)
        records += page["data"]
        cursor = page["next"]
        if cursor is None:
            break

    assert len(records) == COUNTS["demographics"]
    assert all(met[status] > 0 for status in (429, 500, 503)), met


def test_a_busy_server_means_it(resources):
    """Coming back before Retry-After is over is refused again."""
    now = [0.0]
    client = client_of(resources, rate=0.5, clock=lambda: now[0])
    while client.get("/v1/demographics?limit=1").status_code != 429:
        now[0] += 2.0
    now[0] += 0.9
    assert client.get("/v1/demographics?limit=1").status_code == 429
    now[0] += 0.2
    assert client.get("/v1/demographics?limit=1").status_code == 200

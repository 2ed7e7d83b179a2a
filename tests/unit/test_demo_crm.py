"""The CRM applies each row once, says what became of it, and forgets nothing when it is started again."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from demo.crm.app import KINDS, crm_app
from demo.crm.store import ContactStore
from demo.errors import BadArgumentError
from demo.faults import Allowance, Fault, Faults

TOKEN = "for-this-test"


class Crm:
    """Speak HTTP to a CRM in this process, on a clock that is moved by hand."""

    def __init__(self, path, *, rate=0.0, kinds=KINDS, per_second=1_000.0):
        self.now, self.store = 0.0, ContactStore(path)
        self.app = crm_app(
            self.store,
            token=TOKEN,
            faults=Faults(seed=1, rate=rate, kinds=kinds, clock=lambda: self.now),
            allowance=Allowance(per_second=per_second, clock=lambda: self.now),
            latency=0.0,
        )

    def send(self, method, url, token=TOKEN, **options):
        async def send():
            headers = {"Authorization": f"Bearer {token}"}
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://crm", headers=headers
            ) as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())

    def get(self, url):
        return self.send("GET", url).json()

    def upsert(self, *rows):
        return self.send("POST", "/v1/contacts/batch", json={"contacts": rows})

    def delete(self, *rows):
        return self.send("POST", "/v1/contacts/batch-delete", json={"contacts": rows})


@pytest.fixture
def crm(tmp_path):
    crm = Crm(tmp_path / "crm.sqlite")
    yield crm
    crm.store.close()


def row(external_id, key, **properties):
    return {"external_id": external_id, "idempotency_key": key, "properties": properties}


def statuses(answer):
    return [result["status"] for result in answer.json()["results"]]


def test_rows_are_created_updated_and_left_unchanged(crm):
    """Properties are merged, null takes one away, and the contact counts its versions."""
    assert statuses(crm.upsert(row("7", "a", tier="gold", frequency=3), row("8", "b", tier="bronze"))) == [
        "created",
        "created",
    ]
    assert statuses(crm.upsert(row("7", "c", tier="platinum"), row("8", "d", tier="bronze"))) == [
        "updated",
        "unchanged",
    ]
    assert statuses(crm.upsert(row("7", "e", frequency=None))) == ["updated"]

    contact = crm.get("/v1/contacts/7")
    assert (contact["properties"], contact["version"]) == ({"tier": "platinum"}, 3)
    assert crm.get("/v1/contacts/8")["version"] == 1
    assert crm.send("GET", "/v1/contacts/9").status_code == 404


def test_a_row_sent_again_is_applied_once(crm):
    """The outcome of then comes back, marked, and a newer content is not undone by an older twin."""
    crm.upsert(row("7", "a", tier="gold"))
    crm.upsert(row("7", "b", tier="silver"))
    again = crm.upsert(row("7", "a", tier="gold"))

    assert again.json()["results"] == [{"external_id": "7", "status": "created", "duplicate": True}]
    assert crm.get("/v1/contacts/7")["properties"] == {"tier": "silver"}
    assert {name: crm.get("/v1/stats")[name] for name in ("upserts_applied", "duplicate", "contacts")} == {
        "upserts_applied": 2,
        "duplicate": 1,
        "contacts": 1,
    }


def test_a_value_that_comes_back_is_applied_each_time(crm):
    """A, B, A with keys of their own are three changes."""
    sent = [crm.upsert(row("7", key, tier=tier)) for key, tier in (("1", "a"), ("2", "b"), ("3", "a"))]

    assert [statuses(answer) for answer in sent] == [["created"], ["updated"], ["updated"]]
    assert crm.get("/v1/contacts/7")["properties"] == {"tier": "a"}


def test_a_key_with_other_content_is_an_error(crm):
    """A key names one content of one contact."""
    crm.upsert(row("7", "a", tier="gold"))
    answer = crm.upsert(row("7", "a", tier="silver"), row("8", "a", tier="gold"))

    assert [r["error"]["code"] for r in answer.json()["results"]] == ["idempotency_key_reused"] * 2
    assert crm.get("/v1/contacts/7")["properties"] == {"tier": "gold"}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("text", "invalid_row"),
        ({"external_id": "", "idempotency_key": "k", "properties": {}}, "invalid_external_id"),
        ({"external_id": 7, "idempotency_key": "k", "properties": {}}, "invalid_external_id"),
        ({"external_id": "\ud800", "idempotency_key": "k", "properties": {}}, "invalid_external_id"),
        ({"external_id": "7", "properties": {}}, "invalid_idempotency_key"),
        ({"external_id": "7", "idempotency_key": "k"}, "invalid_properties"),
        (row("7", "k", **{f"p{n}": n for n in range(51)}), "invalid_properties"),
        (row("7", "k", Tier="gold"), "invalid_property"),
        (row("7", "k", tier=""), "invalid_property"),
        (row("7", "k", tier=["gold"]), "invalid_property"),
        (row("7", "k", tier="x" * 257), "invalid_property"),
        (row("7", "k", tier="a\nb"), "invalid_property"),
        (row("7", "k", value=float("nan")), "invalid_property"),
        (row("7", "k", value=10**400), "invalid_property"),
        (row("7", "k", email="nobody"), "invalid_property"),
    ],
)
def test_a_bad_row_is_refused_alone_and_always(crm, bad, code):
    """Its neighbours are applied; the same row is refused again; mended, it may keep its key."""
    body = json.dumps({"contacts": [row("1", "k1", tier="gold"), bad, row("2", "k2", tier="gold")]})
    answers = [crm.send("POST", "/v1/contacts/batch", content=body) for _ in range(2)]

    assert statuses(answers[0]) == ["created", "error", "created"]
    assert [answer.json()["results"][1]["error"]["code"] for answer in answers] == [code, code]
    assert statuses(crm.upsert(row("7", "k", tier="gold"))) == ["created"]
    assert crm.get("/v1/stats")["error"] == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"contacts": {}}', 400),
        (b'{"contacts": []}', 400),
        (b"\xff", 400),
        (b"[" * 200_000, 400),
        (json.dumps({"contacts": [row("1", str(n)) for n in range(201)]}).encode(), 413),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(crm, body, status):
    """400 or 413, and no contact is written."""
    assert crm.send("POST", "/v1/contacts/batch", content=body).status_code == status
    assert crm.get("/v1/stats")["contacts"] == 0


def test_contacts_are_deleted_once(crm):
    """A second deletion with its own key finds nothing; with the same key it is a twin."""
    crm.upsert(row("7", "a", tier="gold"))
    gone, key = {"external_id": "7", "idempotency_key": "d1"}, {"external_id": "7", "idempotency_key": "d2"}

    assert statuses(crm.delete(gone, {"external_id": "x", "idempotency_key": "d0"})) == ["deleted", "missing"]
    assert crm.delete(gone).json()["results"][0] == {
        "external_id": "7",
        "status": "deleted",
        "duplicate": True,
    }
    assert statuses(crm.delete(key)) == ["missing"]
    assert crm.get("/v1/contacts?limit=5") == {"data": [], "next": None}


def test_contacts_are_listed_in_pages(crm):
    """Every contact once, in the order of its id."""
    crm.upsert(*(row(f"{n:03}", f"k{n}", n=n) for n in range(25)))
    seen, after = [], ""
    while after is not None:
        page = crm.get(f"/v1/contacts?limit=10&after={after}")
        seen += [contact["external_id"] for contact in page["data"]]
        after = page["next"]

    assert seen == [f"{n:03}" for n in range(25)]
    assert crm.send("GET", "/v1/contacts?limit=0").status_code == 400


def test_a_restart_loses_nothing(tmp_path):
    """Contacts, outcomes and counts are in the file."""
    first = Crm(tmp_path / "crm.sqlite")
    first.upsert(row("7", "a", tier="gold"))
    first.store.close()
    second = Crm(tmp_path / "crm.sqlite")

    assert second.get("/v1/contacts/7")["properties"] == {"tier": "gold"}
    assert second.upsert(row("7", "a", tier="gold")).json()["results"][0]["duplicate"] is True
    assert second.get("/v1/stats")["created"] == 1
    second.store.close()


def test_a_lost_answer_was_applied_and_can_be_sent_again(tmp_path):
    """503 after the fact: the row is there once, and the second answer says so."""
    crm = Crm(tmp_path / "crm.sqlite", rate=0.5, kinds=(Fault.ANSWER_LOST,))
    lost = 0
    for n in range(20):
        answer = crm.upsert(row(str(n), f"k{n}", tier="gold"))
        if answer.status_code == 503:
            lost += 1
            assert answer.headers["retry-after"] == "1"
            result = crm.upsert(row(str(n), f"k{n}", tier="gold")).json()["results"][0]
            assert result == {"external_id": str(n), "status": "created", "duplicate": True}

    stats = crm.store.stats()
    assert lost > 0
    assert (stats["created"], stats["duplicate"], stats["contacts"]) == (20, lost, 20)
    crm.store.close()


def test_faults_pass_and_nothing_is_lost_or_doubled(tmp_path):
    """A client that waits and sends again ends with each row applied once."""
    crm = Crm(tmp_path / "crm.sqlite", rate=0.5)
    met = set()
    for n in range(40):
        while (answer := crm.upsert(row(str(n), f"k{n}", tier="gold"))).status_code != 200:
            met.add((answer.status_code, answer.json()["error"]["code"]))
            crm.now += 1.0

    assert met == {(429, "busy"), (503, "unavailable")}
    assert crm.store.stats()["upserts_applied"] == 40
    crm.store.close()


def test_more_requests_than_allowed_are_told_to_wait(tmp_path):
    """20 a second pass, the next one gets 429, and after Retry-After it passes."""
    crm = Crm(tmp_path / "crm.sqlite", per_second=20.0)
    codes = [crm.send("GET", "/v1/stats").status_code for _ in range(21)]
    late = crm.send("GET", "/v1/stats")
    crm.now += float(late.headers["retry-after"])

    assert codes == [200] * 20 + [429]
    assert late.json()["error"]["code"] == "rate_limited"
    assert crm.send("GET", "/v1/stats").status_code == 200
    crm.store.close()


def test_the_token_is_wanted_for_all_but_health(crm):
    """401 before anything is read or counted."""
    assert crm.send("GET", "/v1/stats", token="wrong").status_code == 401
    assert crm.send("POST", "/v1/contacts/batch", token="wrong", content=b"").status_code == 401
    assert crm.send("GET", "/health", token="wrong").json() == {"status": "ok"}


def test_a_file_that_is_no_store_is_refused(tmp_path):
    """The message names the file."""
    (tmp_path / "crm.sqlite").write_bytes(b"something else" * 100)

    with pytest.raises(BadArgumentError, match=r"crm\.sqlite can't be used"):
        ContactStore(tmp_path / "crm.sqlite")

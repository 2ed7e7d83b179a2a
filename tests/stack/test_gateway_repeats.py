"""Idempotency keys on the real database: what was sent before is recognised, and what can't be is said."""

from __future__ import annotations

import pytest

from ingest.gateway import ledger
from ingest.gateway.ledger import Ledger
from ingest.gateway.service import new_key
from lake.control import claim_keys, forget_expired
from lake.errors import UnavailableError
from lake.postgres import Pool, connect
from tests.fakes.gateway_world import NDJSON, basket_line, running_gateway
from tests.fakes.topic_world import transactions

pytestmark = pytest.mark.stack

KEY = {"idempotency-key": "order 4711"}
FIELD = "?idempotency_field=basket_id"


@pytest.fixture
def gateway(lake_settings):
    with running_gateway(lake_settings) as world:
        yield world


def set_back(settings, *, hours):
    """Let every kept key be so many hours older."""
    with connect(settings.postgres) as connection:
        connection.execute(
            "UPDATE control.idempotency_keys SET claimed_at = claimed_at - make_interval(hours => %(hours)s),"
            " expires_at = expires_at - make_interval(hours => %(hours)s)",
            {"hours": hours},
        )


def test_the_same_request_again_gets_the_same_answer_and_sends_nothing(gateway):
    """The second answer says that it is one of before; the records carry the key."""
    first = gateway.post([basket_line(1), basket_line(2)], headers=KEY)
    second = gateway.post([basket_line(1), basket_line(2)], headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    landed = {headers["idempotency-key"].decode() for _, _, headers in gateway.topic()}
    assert landed == {f"{gateway.key_id}/order 4711/0", f"{gateway.key_id}/order 4711/1"}
    assert len(gateway.topic()) == 2


def test_a_key_used_for_another_request_is_refused(gateway):
    """Another body, or another policy for the same body, is 422 and sends nothing."""
    gateway.post(basket_line(1), headers=KEY)

    assert gateway.post(basket_line(2), headers=KEY).status_code == 422
    assert gateway.post(basket_line(1), headers=KEY, query="?on_invalid=skip").status_code == 422
    assert len(gateway.topic()) == 1


def test_two_senders_may_use_the_same_key(gateway, lake_settings):
    """A key belongs to the API key that sent it."""
    _, other = new_key(lake_settings, [transactions()], name="other", streams=["*"])

    gateway.post(basket_line(1), headers=KEY)
    answer = gateway.post(basket_line(2), headers={**KEY, "authorization": f"Bearer {other.token}"})

    assert answer.status_code == 202
    assert len({headers["idempotency-key"] for _, _, headers in gateway.topic()}) == 2


def test_a_refused_request_leaves_its_key_free(gateway):
    """After a 422 the mended records may come under the same key."""
    assert gateway.post(basket_line(1, quantity=-1), headers=KEY).status_code == 422
    assert gateway.post(basket_line(1), headers=KEY).status_code == 202


def test_after_a_day_a_key_is_forgotten(gateway, lake_settings):
    """The same request is sent again, and a swept key leaves no line behind."""
    gateway.post(basket_line(1), headers=KEY)
    set_back(lake_settings, hours=25)
    assert gateway.post(basket_line(1), headers=KEY).status_code == 202
    assert len(gateway.topic()) == 2

    set_back(lake_settings, hours=25)
    with connect(lake_settings.postgres) as connection:
        assert forget_expired(connection) == 1


def test_records_tell_repeats_by_a_member_of_their_own(gateway):
    """However the batches are cut, each record is sent once; a record without the member is bad."""
    first = gateway.post([basket_line(n) for n in (1, 2)], query=FIELD)
    second = gateway.post([basket_line(n) for n in (2, 3, 3)], query=FIELD)
    third = gateway.post([basket_line(n) for n in (1, 3)], query=FIELD)

    assert [a.status_code for a in (first, second, third)] == [202, 202, 202]
    assert [(a.json()["accepted"], a.json()["duplicates"]) for a in (first, second, third)] == [
        (2, 0),
        (1, 2),
        (0, 2),
    ]
    assert gateway.baskets() == [basket_line(n)["basket_id"] for n in (1, 2, 3)]
    keys = {headers["idempotency-key"].decode() for _, _, headers in gateway.topic()}
    assert keys == {f"{gateway.key_id}/{basket_line(n)['basket_id']}" for n in (1, 2, 3)}


def test_a_member_that_tells_nothing_is_a_broken_rule(gateway):
    """No value, another record's value of this request, another record's value of before."""
    gateway.post(basket_line(1), query=FIELD)
    lines = [
        basket_line(1, quantity=9),
        basket_line(2),
        basket_line(2, quantity=9),
        {"store_id": 1},
        basket_line(3),
    ]

    answer = gateway.post(lines, query=FIELD + "&on_invalid=skip")
    quarantined = gateway.post([basket_line(3, quantity=9)], query=FIELD + "&on_invalid=quarantine")

    assert answer.status_code == 207
    assert answer.json()["invalid_indexes"] == [0, 2, 3]
    assert {rule["rule"] for error in answer.json()["errors"] for rule in error["rules"]} == {"idempotency"}
    assert quarantined.status_code == 422
    assert gateway.baskets() == [basket_line(n)["basket_id"] for n in (1, 2, 3)]


def test_lines_that_are_no_json_are_the_contracts_to_refuse(gateway):
    """A record that can't be read has no key, and says that it is no JSON."""
    answer = gateway.post(b"{broken\n", query=FIELD, headers={"content-type": NDJSON})

    assert answer.status_code == 422
    assert [rule["rule"] for rule in answer.json()["errors"][0]["rules"]] == ["json"]


def test_keys_that_are_none_and_both_kinds_at_once_are_refused(gateway):
    """400 names what is wrong."""
    for headers, query in (
        ({"idempotency-key": ""}, ""),
        ({"idempotency-key": "x" * 256}, ""),
        (KEY, FIELD),
        ({}, "?idempotency_field="),
    ):
        assert gateway.post(basket_line(1), headers=headers, query=query).status_code == 400


def test_a_request_that_is_under_way_elsewhere_is_not_sent_beside_it(gateway, lake_settings):
    """Another process holds the key: 409 and when to come back; free again when its lease has ended."""
    other = new_key(lake_settings, [transactions()], name="other", streams=["*"])
    headers = {**KEY, "authorization": f"Bearer {other[1].token}"}
    gateway.post(basket_line(1), headers=headers)  # shows how the key is kept
    with connect(lake_settings.postgres) as connection:
        connection.execute("UPDATE control.idempotency_keys SET outcome = NULL")

    meanwhile = gateway.post(basket_line(1), headers=headers)
    set_back(lake_settings, hours=1)
    changed = gateway.post(basket_line(2), headers=headers)
    later = gateway.post(basket_line(1), headers=headers)

    assert (meanwhile.status_code, changed.status_code, later.status_code) == (409, 422, 202)
    assert int(meanwhile.headers["retry-after"]) >= 1


def test_a_crash_between_acknowledgement_and_keeping_repeats_under_the_same_key(lake_settings, monkeypatch):
    """The outcome is lost with the process: the copies carry one key, so that staging keeps one of them."""

    async def dies(*_):
        raise ConnectionAbortedError

    with running_gateway(lake_settings) as gateway:
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "settle", dies)
            patch.setattr(Ledger, "release", dies)
            with pytest.raises(ConnectionAbortedError):
                gateway.post([basket_line(1), basket_line(2)], headers=KEY)
        assert gateway.post([basket_line(1), basket_line(2)], headers=KEY).status_code == 409
        set_back(lake_settings, hours=1)

        assert gateway.post([basket_line(1), basket_line(2)], headers=KEY).status_code == 202

        held = gateway.topic()
        assert len(held) == 4
        assert {(headers["idempotency-key"], value) for _, value, headers in held} == {
            (f"{gateway.key_id}/order 4711/{n}".encode(), value)
            for n, value in enumerate(sorted({value for _, value, _ in held}))
        }


def test_without_the_database_keys_can_not_be_claimed_and_records_still_go(gateway, monkeypatch):
    """503 for a request with a key, for nobody could tell its repeat; one without a key needs no database."""
    assert gateway.post(basket_line(1)).status_code == 202

    def down(_pool):
        raise UnavailableError("postgres", "down")

    monkeypatch.setattr(Pool, "connection", down)
    keyed = gateway.post(basket_line(2), headers=KEY)
    ready = gateway.client.get("/health/ready")

    assert (keyed.status_code, ready.status_code) == (503, 503)
    assert int(keyed.headers["retry-after"]) >= 1
    assert ready.json()["postgres"] is False
    assert len(gateway.topic()) == 1


def test_an_outcome_that_can_not_be_kept_takes_no_acknowledgement_back(gateway, monkeypatch):
    """The broker has the records: 202, although the key is free again only when its lease has ended."""

    def down(*_):
        raise UnavailableError("postgres", "down")

    monkeypatch.setattr(ledger, "settle_keys", down)

    assert gateway.post(basket_line(1), headers=KEY).status_code == 202
    assert gateway.post(basket_line(1), headers=KEY).status_code == 409


def test_concurrent_claims_of_the_same_keys_have_one_winner_each(lake_settings):
    """Many requests at once, keys in any order: no deadlock, and every key is granted once."""
    from concurrent.futures import ThreadPoolExecutor
    from datetime import timedelta

    names = [f"k{n}" for n in range(40)]

    def claim(seed):
        order = names[seed:] + names[:seed]
        with connect(lake_settings.postgres, autocommit=True) as connection:
            return claim_keys(
                connection,
                scope="s",
                fingerprints=dict.fromkeys(order, b"f"),
                lease=timedelta(seconds=60),
            )

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(claim, range(0, 40, 5)))

    granted = [key for found in claims for key in found.granted]
    assert sorted(granted) == sorted(names)
    assert all(found.granted | found.busy == set(names) for found in claims)

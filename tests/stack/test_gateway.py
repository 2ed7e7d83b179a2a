"""The gateway on the real broker and database: what is answered, and what then stands in the topic."""

from __future__ import annotations

import gzip
import json
import re
import time

import pytest
import zstandard

from ingest.deploy.history import record_deployed
from ingest.gateway import app, watch
from ingest.gateway.service import end_key, new_key, read_keys
from ingest.landing import run_streams
from lake.contracts import parse_contract
from lake.contracts.derive import registered_schema
from lake.errors import UnavailableError
from lake.postgres import connect
from tests.fakes.gateway_world import NDJSON, PATH, basket_line, running_gateway
from tests.fakes.topic_world import ROOT, STREAM, transactions

pytestmark = pytest.mark.stack


@pytest.fixture
def gateway(lake_settings):
    with running_gateway(lake_settings, streams=(STREAM,)) as world:
        yield world


def with_limits(settings, **limits):
    return settings.model_copy(update={"gateway": settings.gateway.model_copy(update=limits)})


def test_an_object_an_array_and_lines_arrive_byte_by_byte(gateway):
    """Each form is answered with 202 and its records stand in the topic, keyed as the contract says."""
    one = b'{"household_id": 7, ' + json.dumps(basket_line(1)).encode()[len(b'{"household_id": 2, ') :]
    several = [basket_line(2), basket_line(3)]
    lines = b"\n".join(json.dumps(basket_line(n)).encode() for n in (4, 5)) + b"\r\n\n"

    answers = [
        gateway.post(one),
        gateway.post(several),
        gateway.post(lines, headers={"content-type": NDJSON}),
    ]

    assert [(a.status_code, a.json()["accepted"]) for a in answers] == [(202, 1), (202, 2), (202, 2)]
    held = gateway.topic()
    assert (b"7", one, {}) in held
    assert gateway.baskets() == [basket_line(n)["basket_id"] for n in (1, 2, 3, 4, 5)]


def test_a_request_with_a_bad_record_sends_nothing_and_says_what_is_wrong(gateway):
    """By default one bad record refuses all; each failing rule has its path."""
    bad = basket_line(2, quantity=-1, store_id="x")

    answer = gateway.post([basket_line(1), bad])

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["accepted"], document["invalid_indexes"]) == (0, [1])
    assert {(r["rule"], r["path"]) for r in document["errors"][0]["rules"]} == {
        ("type", "store_id"),
        ("minimum", "quantity"),
    }
    assert gateway.topic() == []


def test_a_sender_may_have_the_good_ones_sent(gateway):
    """207 names the places of the bad ones; only the others are in the topic."""
    answer = gateway.post([basket_line(1), {}, basket_line(3)], query="?on_invalid=skip")

    assert answer.status_code == 207
    assert (answer.json()["accepted"], answer.json()["invalid_indexes"]) == (2, [1])
    assert gateway.baskets() == [basket_line(n)["basket_id"] for n in (1, 3)]


def test_a_sender_may_leave_bad_ones_to_quarantine(gateway):
    """All are in the topic; the answer says which of them landing will put into quarantine."""
    answer = gateway.post([basket_line(1), {"a": 1}], query="?on_invalid=quarantine")

    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["invalid_indexes"]) == (2, [1])
    assert min(value for _, value, _ in gateway.topic()) == b'{"a": 1}'


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_compressed_body_is_read(gateway, encoding):
    """Both encodings arrive as they were before."""
    body = json.dumps([basket_line(n) for n in range(3)]).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zstandard.compress(body)

    answer = gateway.post(packed, headers={"content-encoding": encoding})

    assert answer.status_code == 202
    assert len(gateway.topic()) == 3


def test_what_is_too_large_too_deep_or_unreadable_is_refused(lake_settings):
    """Every limit has a status of its own, and nothing of such a request is sent."""
    limits = {
        "body_bytes": 5_000,
        "content_bytes": 20_000,
        "records": 3,
        "record_bytes": 1_000,
        "json_depth": 4,
    }
    with running_gateway(with_limits(lake_settings, **limits)) as gateway:
        bomb = b"0" * 10_000_000
        packed = {"content-encoding": "gzip"}
        lines = {"content-type": NDJSON}
        line = basket_line(1)
        cases = [
            (b"x" * 5_001, {}, 413),
            (gzip.compress(bomb), packed, 413),
            (zstandard.compress(bomb), {"content-encoding": "zstd"}, 413),
            ([line] * 4, {}, 413),
            (basket_line(1, note="x" * 1_000), {}, 413),
            (basket_line(1, note=[[[[1]]]]), {}, 400),
            (b"[" * 4_000, {}, 400),
            (b'[{"a":1},]', {}, 400),
            (b"not json", {}, 400),
            (b"", {}, 400),
            (b"[]", {}, 400),
            (b"\n \n", lines, 400),
            (gzip.compress(json.dumps(line).encode())[:-4], packed, 400),
            (b"plain", packed, 400),
            (line, {"content-encoding": "br"}, 415),
            (line, {"content-type": "text/csv"}, 415),
            (b"not json", lines, 422),
        ]

        answers = [gateway.post(content, headers=headers).status_code for content, headers, _ in cases]

        assert answers == [expected for *_, expected in cases]
        assert gateway.post(line, query="?on_invalid=drop").status_code == 400
        assert gateway.post(line, query="?oninvalid=skip").status_code == 400
        assert gateway.topic() == []


def test_deep_nesting_in_texts_does_not_count(lake_settings):
    """Brackets inside of strings are no levels."""
    with running_gateway(with_limits(lake_settings, json_depth=2)) as gateway:
        assert gateway.post(basket_line(1, note='[[[[{{{{ \\" [[[[')).status_code == 202


def test_a_key_opens_its_streams_and_no_others(gateway, lake_settings):
    """No key and a wrong one are 401, another stream is 403, one that nobody describes 404."""
    _, other = new_key(lake_settings, [transactions()], name="all", streams=["*"])
    token = gateway.client.headers.pop("authorization").removeprefix("Bearer ")
    body, kind = json.dumps(basket_line(1)), {"content-type": "application/json"}

    def status(path=PATH, **headers):
        return gateway.client.post(path, content=body, headers={**kind, **headers}).status_code

    assert status() == 401
    assert status(authorization=f"Bearer {token[:-1]}_") == 401
    assert status(authorization=f"Basic {token}") == 401
    assert status(authorization=f"Bearer {token}", path="/v1/streams/products") == 403
    assert status(authorization=f"Bearer {other.token}", path="/v1/streams/nothing") == 404
    assert gateway.topic() == []
    assert status(authorization=f"bearer {token}") == 202


def test_a_revoked_key_is_refused_at_the_next_look(lake_settings):
    """A gateway that has not seen the key before refuses it at once."""
    kept, made = new_key(lake_settings, [transactions()], name="gone", streams=["*"])
    end_key(lake_settings, kept.key_id)

    with running_gateway(lake_settings) as gateway:
        answer = gateway.post(basket_line(1), headers={"authorization": f"Bearer {made.token}"})

    assert answer.status_code == 401


def test_no_secret_of_a_key_is_kept(lake_settings):
    """The database holds neither the token nor its secret part in any column."""
    _, made = new_key(lake_settings, [transactions()], name="secret", streams=["*"])

    with connect(lake_settings.postgres) as connection:
        row = connection.execute("SELECT api_keys::text AS all FROM control.api_keys").fetchone()

    secret = made.token.split("_", 2)[2]
    assert secret not in row["all"]
    assert secret.encode().hex() not in row["all"]
    assert secret not in repr(made) + repr(read_keys(lake_settings))


def test_a_key_sends_no_faster_than_its_rate(lake_settings):
    """Ten seconds' worth passes at once; then 429 says when to come back, and more can never pass."""
    with running_gateway(lake_settings, rate=1) as gateway:
        first = gateway.post([basket_line(n) for n in range(10)])
        second = gateway.post([basket_line(n) for n in range(10)])
        never = gateway.post([basket_line(n) for n in range(11)])

    assert [first.status_code, second.status_code, never.status_code] == [202, 429, 413]
    assert 1 <= int(second.headers["retry-after"]) <= 11


def test_a_full_queue_turns_requests_away(lake_settings):
    """A batch that doesn't fit is not sent in part: 503, when to come back, and an empty topic."""
    with running_gateway(with_limits(lake_settings, pending_records=5)) as gateway:
        answer = gateway.post([basket_line(n) for n in range(6)])

        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert gateway.topic() == []


def test_pages_for_people_and_programs(gateway):
    """The document names each stream, the page needs no script, and health and metrics answer."""
    gateway.post([basket_line(1), basket_line(2)])
    document = gateway.client.get("/openapi.json").json()
    page = gateway.client.get("/")
    metrics = gateway.client.get("/metrics").text

    assert PATH in document["paths"]
    assert "transaction_timestamp" in document["components"]["schemas"]["record.transactions"]["properties"]
    assert PATH in page.text
    assert "<script" not in page.text
    assert gateway.client.get("/health/live").status_code == 200
    assert gateway.client.get("/health/ready").json() == {"ready": True, "broker": True, "postgres": True}
    assert 'lakemesh_gateway_records_total{fate="accepted",stream="transactions"} 2.0' in metrics
    assert 'lakemesh_gateway_requests_total{status="202",stream="transactions"} 1.0' in metrics


def test_a_stream_takes_no_more_while_landing_is_too_far_behind(lake_settings, monkeypatch):
    """503 with a longer wait once more records than the limit have not landed; 202 again after landing."""
    monkeypatch.setattr(watch, "_LAG_SECONDS", 0.5)
    with running_gateway(with_limits(lake_settings, lag_records=5)) as gateway:
        assert gateway.post([basket_line(n) for n in range(6)]).status_code == 202

        behind = until(lambda: gateway.post(basket_line(7)), status=503)
        assert int(behind.headers["retry-after"]) == 30
        assert "behind" in behind.json()["detail"]
        shown = re.search(r'lag_records{stream="transactions"} (\S+)', gateway.client.get("/metrics").text)
        assert shown is not None
        assert float(shown[1]) >= 6

        run_streams(lake_settings, [transactions()])
        until(lambda: gateway.post(basket_line(8)), status=202)


def until(ask, *, status):
    """Ask until the answer has this status; what decides it is looked at now and then."""
    deadline = time.monotonic() + 90
    while (answer := ask()).status_code != status:
        assert time.monotonic() < deadline, answer.text
    return answer


def version(number, *, weeks):
    """Return a version of the contract, written down as deployed or not, by how many weeks it allows."""
    text = (ROOT / "ingest" / "contracts" / "transactions.yaml").read_text(encoding="utf-8")
    return parse_contract(
        text.replace("version: 1.0.0", f"version: {number}").replace("maximum: 53", f"maximum: {weeks}")
    )


def test_a_stream_is_held_against_the_contract_that_is_deployed(lake_settings, monkeypatch):
    """Not against a newer file that nobody deployed; a deploy is followed while the gateway runs."""
    monkeypatch.setattr(watch, "_DEPLOY_SECONDS", 0.2)
    deployed, undeployed = version("1.0.0", weeks=53), version("1.1.0", weeks=60)
    record_deployed(lake_settings.postgres, deployed)
    late = basket_line(1, week=54)

    with running_gateway(lake_settings, contracts=[undeployed]) as gateway:
        assert gateway.post(late).status_code == 422
        assert gateway.post(basket_line(2)).json()["contract"] == "1.0.0"

        record_deployed(lake_settings.postgres, undeployed)
        answer = until(lambda: gateway.post(late), status=202)

        assert answer.json()["contract"] == "1.1.0"
        shown = gateway.client.get("/openapi.json").json()["components"]["schemas"]["record.transactions"]
        assert "60" in json.dumps(shown["properties"]["week"])


def test_a_gateway_that_can_not_ask_what_is_deployed_goes_on_by_what_it_knows(lake_settings, monkeypatch):
    """First by the files; records are judged again when they land."""

    def down(*_):
        raise UnavailableError("postgres", "down")

    record_deployed(lake_settings.postgres, version("1.0.0", weeks=53))
    with monkeypatch.context() as patch:
        patch.setattr(app, "read_contracts", down)
        with running_gateway(lake_settings, contracts=[version("1.1.0", weeks=60)]) as gateway:
            assert gateway.post(basket_line(1)).json()["contract"] == "1.1.0"


def test_the_registry_serves_the_versions_that_were_deployed(lake_settings):
    """A version that the file no longer says is served; what the file says now counts once it is deployed."""
    new = transactions()
    text = (ROOT / "ingest" / "contracts" / "transactions.yaml").read_text(encoding="utf-8")
    old = parse_contract(
        text.replace("version: 1.0.0", "version: 0.9.0").replace("minimum: 1, maximum: 53", "minimum: 1")
    )
    versions = f"/subjects/{new.subject}/versions"
    ids = [registered_schema(contract).id for contract in (old, new)]
    assert ids[0] != ids[1]

    record_deployed(lake_settings.postgres, old)
    with running_gateway(lake_settings) as gateway:
        assert gateway.client.get(f"{versions}/latest").json()["id"] == ids[0]
        assert gateway.client.get(f"/schemas/ids/{ids[1]}").status_code == 404

    record_deployed(lake_settings.postgres, new)
    with running_gateway(lake_settings) as gateway:
        assert gateway.client.get(versions).json() == [1, 2]
        assert [gateway.client.get(f"{versions}/{n}").json()["id"] for n in (1, 2)] == ids
        assert gateway.client.get(f"/schemas/ids/{ids[0]}").status_code == 200

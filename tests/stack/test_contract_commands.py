"""`lake contract diff` and `deploy`: from a safe change to a refused one, and to a new major version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from app.cli.contract import cli
from ingest.landing import run_streams
from lake.broker import create_topic
from lake.contracts import load_contract
from lake.control import read_acts, read_contracts
from lake.errors import LakeError, RefusedError
from lake.settings import Settings
from tests.fakes.orders_contract import EVENTS, with_custom
from tests.fakes.topic_world import landed

pytestmark = pytest.mark.stack

CONFIG = """\
default_gateway: lake
gateways: {lake: {connection: {type: lake}, state_connection: {type: lake_state}}}
model_defaults: {dialect: duckdb, start: 2026-01-01}
infer_python_dependencies: false
disable_anonymized_analytics: true
notification_targets: [{type: console}]
users: [{username: ann, notification_targets: [{type: console}]}]
"""
MODEL = """\
MODEL (name staging.orders, kind VIEW, owner ann);
SELECT id, total * 2 AS doubled FROM lake.raw.orders
"""
NOTED = EVENTS.replace("1.0.0", "1.1.0") + "      - {name: note, logicalType: string}\n"
BROKEN = EVENTS.replace("1.0.0", "1.2.0").replace("decimal(12,2)", "decimal(12,3)")
DEPRECATED = NOTED.replace("status: active", "status: deprecated").replace(
    "schema:\n", "slaProperties:\n  - {property: endOfSupport, value: '2020-01-31'}\nschema:\n"
)
MIGRATED = BROKEN.replace("1.2.0", "2.0.0").replace(
    "name: total,", "name: total, customProperties: [{property: migration, value: total}],"
)


@pytest.fixture
def project(tmp_path: Path, lake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project of one contract and one model, on the services of this test."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    for folder in ("ingest/contracts", "models", "external_models"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models" / "orders.sql").write_text(MODEL)
    write(tmp_path, "orders", EVENTS)
    own = lake_settings.model_copy(update={"project_root": tmp_path})
    for module in ("change", "check", "new"):
        monkeypatch.setattr(f"app.cli.contract.{module}.load_settings", lambda: own)
    monkeypatch.chdir(tmp_path)
    create_topic(lake_settings.broker, "shop.events", partitions=1)
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / "ingest" / "contracts" / f"{name}.yaml").write_text(text)


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(cli, list(arguments))
    if result.exception is not None and not isinstance(result.exception, LakeError | SystemExit):
        raise result.exception
    return result


def document(result: Any) -> Any:
    """Return what was printed as JSON; in a test, events of the log stand before it."""
    return json.loads(result.stdout[result.stdout.index("\n[\n") if result.stdout[0] != "[" else 0 :])


def test_a_contract_is_deployed_changed_refused_and_followed_by_a_major_version(
    project: Path, lake_settings: Settings
) -> None:
    """Each step says what changed, who reads it, and what to type next; owners get a notice."""
    first = run("deploy", "--json")
    assert document(first)[0]["done"] == "deployed, first version, no column changes"

    write(project, "orders", NOTED)
    added = run("diff")
    deployed = run("deploy", "orders", "--reason", "till notes")
    again = run("deploy", "--json")

    assert (added.exit_code, deployed.exit_code) == (0, 0)
    assert "note: added, optional string\tyes\tyes\tadds" in added.stdout
    assert "may be deployed: lake contract deploy orders" in added.stdout
    assert "1.0.0 → 1.1.0, add note string" in deployed.stdout
    assert document(again)[0]["done"] == "is deployed already"

    write(project, "orders", BROKEN)
    refused = run("diff", "orders", "--json")
    checked = run("check")

    assert isinstance(refused.exception, RefusedError)
    assert refused.exception.exit_code == 5
    assert "total: decimal(12,2) → decimal(12,3): the live table and its readers can't follow" in str(
        refused.exception
    )
    assert "lake contract new orders --major" in str(refused.exception)
    (found,) = document(refused)
    assert not found["allowed"]
    assert [(a["name"], a["owner"], a["columns"], a["reads"]) for a in found["affected"]] == [
        ("staging.orders", "ann", ["doubled"], ["total"])
    ]
    assert isinstance(checked.exception, RefusedError)
    assert "note: removed" in str(checked.exception)

    write(project, "orders.v1", DEPRECATED)
    write(project, "orders", MIGRATED)
    new = run("diff", "orders_v2")
    joined = run("deploy", "--reason", "thousandths")
    run("external", "--write")
    overdue = run("check")

    assert "orders_v2 2.0.0, not deployed" in new.stdout
    assert "staging.orders\tann" in new.stdout
    assert "orders_v2 2.0.0: deployed, first version" in joined.stdout
    assert (
        "notice: ann (console): orders_v2 2.0.0 is deployed; it touches what staging.orders reads"
        in joined.stdout
    )
    assert "orders is supported until 2020-01-31: read raw.orders_v2_all instead" in joined.stdout
    assert "orders 1.1.0 is deprecated and its support ended on 2020-01-31" in overdue.stdout
    assert [(r.stream, r.version) for r in read_contracts(lake_settings.postgres)] == [
        ("orders", "1.0.0"), ("orders", "1.1.0"), ("orders_v2", "2.0.0")
    ]  # fmt: skip
    acts = [(a.target, a.reason) for a in read_acts(lake_settings.postgres) if a.act == "contract.deploy"]
    assert ("orders", "till notes") in acts
    assert ("orders_v2", "thousandths") in acts


def test_a_contract_that_is_guessed_from_a_topic_lands_its_records(
    project: Path, lake_settings: Settings
) -> None:
    """What is no JSON object in the topic is passed over by the guess and quarantined by landing."""
    create_topic(lake_settings.broker, "shop.visits", partitions=2)
    producer = Producer({"bootstrap.servers": lake_settings.broker.bootstrap_servers})
    for number in range(20):
        visit = {"id": number, "at": f"2026-01-01T00:00:{number:02d}Z", "page": f"/{number}", "ms": 1.5}
        value = "[]" if number == 7 else json.dumps(visit)
        producer.produce(f"{lake_settings.broker.topic_prefix}shop.visits", value, partition=number % 2)
    assert producer.flush(30) == 0

    made = run("new", "visits", "--topic", "shop.visits", "--owner", "shop")
    missing = run("new", "gone", "--topic", "shop.gone", "--owner", "shop")

    assert made.exit_code == 0, made.output
    assert "from 19 records: 4 columns" in made.stdout
    contract = load_contract(project / "ingest" / "contracts" / "visits.yaml")
    assert (contract.topic, contract.event_time, contract.primary_key) == ("shop.visits", "at", ("id",))
    assert landed(run_streams(lake_settings, [contract])) == (19, 1)
    assert "there is no topic shop.gone" in str(missing.exception)


def test_a_schema_that_comes_back_keeps_its_place_under_the_subject(
    lake_settings: Settings, project: Path
) -> None:
    """Versions of a subject count schemas, not contracts: a change of the key adds none."""
    run("deploy")
    write(project, "orders", with_custom("property: key, value: id").replace("1.0.0", "1.0.1"))
    run("deploy")
    write(project, "orders", NOTED)
    run("deploy")

    found = [(r.version, r.schema.version) for r in read_contracts(lake_settings.postgres) if r.schema]

    assert found == [("1.0.0", 1), ("1.0.1", 1), ("1.1.0", 2)]

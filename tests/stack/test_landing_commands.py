"""`lake ingest run` and `lake ingest status`, and what they leave for others to read."""

from __future__ import annotations

import json

import pytest

from lake.broker import read_true_ends
from lake.catalog import open_catalog
from lake.catalog.views import load_view
from lake.control import read_acts
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.commands import lake
from tests.fakes.topic_world import TopicWorld

pytestmark = pytest.mark.stack


def test_run_and_status_say_what_landed_and_what_waits(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """Counts per stream, a second run that says so, lag in records, an act in the audit log."""
    world = TopicWorld(lake_settings)
    world.produce(300)
    first = lake(lake_settings, lake_environment, "ingest", "run", "transactions", "--json")
    assert first.returncode == 0, first.stderr
    (report,) = json.loads(first.stdout)
    assert report["landed"] + report["quarantined"] == 300
    assert report["quarantined"] == 3

    again = lake(lake_settings, lake_environment, "ingest", "run", "transactions")
    assert again.returncode == 0, again.stderr
    assert "nothing new" in again.stdout

    world.produce(40)
    status = lake(lake_settings, lake_environment, "ingest", "status", "transactions", "--json")
    assert status.returncode == 0, status.stderr
    (stream,) = json.loads(status.stdout)
    assert stream["lag"] == 40
    assert stream["rows"] == 297
    assert sum(p["end"] for p in stream["partitions"]) == 340
    waiting = [p for p in stream["partitions"] if p["end"] > p["position"]]
    assert waiting
    assert all(p["lag_seconds"] > 0 and p["produced_at"].startswith("2025-01-01") for p in waiting)
    assert stream["pace"]["bad_share"] == pytest.approx(3 / 300)
    assert stream["breaker"] == "closed"
    assert [act.act for act in read_acts(lake_settings.postgres)].count("ingest.run") == 4

    view = load_view(
        open_catalog(lake_settings),
        TableName(schema=lake_settings.landing.quarantine_schema, name="records"),
    )
    assert view is not None
    assert view.columns[0] == "stream"


def test_a_stream_without_contract_or_topic_is_refused_with_the_next_step(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """Exit code 2 for a name that nobody knows, 5 for a topic that isn't there."""
    unknown = lake(lake_settings, lake_environment, "ingest", "run", "nothing")
    assert unknown.returncode == 2
    assert "transactions" in unknown.stderr
    missing = lake(lake_settings, lake_environment, "ingest", "run", "transactions")
    assert missing.returncode == 5
    assert "next:" in missing.stderr


@pytest.mark.parametrize(
    ("variable", "service"),
    [("LAKE_BROKER__BOOTSTRAP_SERVERS", "broker"), ("LAKE_POSTGRES__PORT", "postgres")],
)
def test_a_dead_service_gives_exit_code_4_its_name_and_a_command(
    lake_settings: Settings, lake_environment: dict[str, str], variable: str, service: str
) -> None:
    """What the person at the terminal sees."""
    dead = "127.0.0.1:1" if service == "broker" else "1"
    run = lake(lake_settings, lake_environment | {variable: dead}, "ingest", "run", "transactions")
    assert run.returncode == 4
    assert f"{service}:" in run.stderr
    assert "lake status" in run.stderr


def test_the_end_of_a_log_is_true_however_the_broker_is_asked(lake_settings: Settings) -> None:
    """Also where its own answer would be wrong: then a fetch tells."""
    world = TopicWorld(lake_settings)
    world.produce(60)
    for way in ("query", "fetch"):
        broker = lake_settings.broker.model_copy(update={"end_offsets_by": way})
        assert sum(read_true_ends(broker, world.contract.topic).values()) == 60

"""The console's pages as Streamlit runs them: with data, with nothing yet, and with services down."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.console.reading import HEALTH
from ingest.landing import run_streams
from lake.activation import apply_sync, make_plan
from lake.clock import SystemClock
from lake.control import AuditRecord, AuditStatus, Evaluation, Result, RunKind, RunRecord, write_history
from lake.control.activation import locked_store, open_store
from lake.control.activation_values import Outcome
from tests.fakes.activation import SYNC, FileMart, rows
from tests.fakes.topic_world import TopicWorld

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("console")]

NAME = "household_value_tiers"  # the sync that the project's files define


@pytest.fixture(autouse=True)
def _inside_the_project(lake_settings, lake_environment, monkeypatch):
    """Let the pages find the test's project and namespace as a console process would."""
    monkeypatch.chdir(lake_settings.project_root)
    for name, value in lake_environment.items():
        if name.startswith("LAKE_"):
            monkeypatch.setenv(name, value)
    HEALTH.forget()
    st.cache_data.clear()


@pytest.fixture
def closed_port():
    """Give a port where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


def health_page():
    from app.console.screens import health

    health.show()


def lineage_page():
    from app.console.screens import lineage

    lineage.show()


def activation_page():
    from app.console.screens import activation

    activation.show()


def open_page(page):
    at = AppTest.from_function(page, default_timeout=180).run()
    assert not at.exception
    return at


def everything(at):
    """Return all text of a page."""
    parts = [*at.markdown, *at.caption, *at.code, *at.subheader, *at.title, *at.warning]
    metrics = [f"{m.label}: {m.value} ({m.delta})" for m in at.metric]
    return "\n".join([str(p.value).replace("\\", "") for p in parts] + metrics)


class Agreeable:
    """A target that accepts everything but the keys it was told to refuse."""

    def __init__(self, *refused):
        self.refused = refused

    def send(self, members):
        return tuple(
            Outcome(
                delivery=m,
                accepted=m.key not in self.refused,
                code="" if m.key not in self.refused else "invalid_property",
                message="" if m.key not in self.refused else "tier: is no tier",
            )
            for m in members
        )

    def read(self, key):
        return None


def synced(settings, mart, target):
    sync = replace(SYNC, name=NAME, destination=replace(SYNC.destination, verify_sample=0))
    with locked_store(settings.postgres, NAME) as store:
        apply_sync(sync, mart=mart, target=target, store=store, clock=SystemClock())
    return sync


def test_an_empty_lake_shows_the_next_commands():
    """Nothing has landed and nothing is built: no error, but what to type."""
    text = everything(open_page(health_page))
    assert "lake ingest run" in text
    assert "sqlmesh plan" in text
    assert "nothing has landed yet" in text


def test_health_shows_what_landed_what_waits_and_what_was_refused(lake_settings):
    """Real records through landing: the figures are the topic's."""
    world = TopicWorld(lake_settings)
    world.produce(300)
    run_streams(lake_settings, [world.contract])
    refused = len(world.quarantined())
    world.produce(40)
    text = everything(open_page(health_page))
    assert f"**{300 - refused:,}** rows · **40** waiting · :orange[**{refused}** refused]" in text
    assert "Records waiting: 40 (in the topics)" in text
    assert refused > 0


def test_health_shows_failed_audits_before_passed_ones(lake_settings):
    """One refused build: the tile, the table and the run say so."""
    now = SystemClock().now()
    run = RunRecord(
        run_id=uuid4(),
        kind=RunKind.RUN,
        environment="prod",
        actor="tests",
        started_at=now - timedelta(minutes=7),
        finished_at=now - timedelta(minutes=6),
        result=Result.FAILED,
        error="audit refused analytics.household_value",
    )
    built = Evaluation(
        evaluation_id=uuid4(),
        run_id=run.run_id,
        model="analytics.household_value",
        table_name="t",
        fingerprint="f",
        interval_start=now,
        interval_end=now,
        started_at=now,
        seconds=1.0,
        engine="duckdb",
        result=Result.REFUSED,
    )
    audits = [
        AuditRecord(
            audit_result_id=uuid4(),
            run_id=run.run_id,
            evaluation_id=built.evaluation_id,
            model=built.model,
            audit=name,
            blocking=True,
            status=status,
            failing=failing,
            at=now,
        )
        for name, status, failing in (
            ("unique_grain", AuditStatus.PASSED, 0),
            ("not_negative", AuditStatus.FAILED, 3),
        )
    ]
    write_history(lake_settings.postgres, [run, built, *audits])
    at = open_page(health_page)
    text = everything(at)
    assert "Audits passed: 1 of 2 (1 failed)" in text
    assert "Last run: failed (run, 7 min ago)" in text
    first = next(d.value for d in at.dataframe if "Audit" in d.value.columns).iloc[0]
    assert (list(first["Result"]), first["Audit"], first["Failing rows"]) == (["failed"], "not_negative", 3)


@pytest.mark.parametrize(
    ("variable", "value", "service"),
    [
        ("LAKE_POSTGRES__PORT", "{port}", "postgres"),
        ("LAKE_CATALOG__URI", "http://127.0.0.1:{port}", "catalog"),
        ("LAKE_BROKER__BOOTSTRAP_SERVERS", "127.0.0.1:{port}", "broker"),
    ],
)
def test_a_service_that_is_down_is_a_card_and_the_rest_goes_on(
    variable, value, service, closed_port, monkeypatch
):
    """The card names the service and the command; what other services know is still there."""
    monkeypatch.setenv(variable, value.format(port=closed_port))
    at = open_page(health_page)
    text = everything(at)
    assert f"{service}:" in text
    assert "not all parts can be read" in text
    assert "lake up" in text or "lake status" in text
    assert [s.value for s in at.subheader][:2] == ["Landing", "Models"]
    assert "Traceback" not in text


def test_a_chosen_node_shows_owner_columns_and_what_flows_where():
    """The mart between its staging model and the CRM, from the project's own files."""
    at = open_page(lineage_page)
    assert "Nothing chosen" in everything(at)
    at.selectbox(key="lineage-node").set_value("analytics.household_value").run()
    assert not at.exception
    text = everything(at)
    assert "owner retail_analytics" in text
    assert "staging.stg_retail__transactions" in text
    assert f"Flows on to: activation.household_value_tiers, {NAME}" in text
    columns = next(d.value for d in at.dataframe if "Column" in d.value.columns)
    assert {"household_id", "tier"} <= set(columns["Column"])


def test_lineage_needs_no_service(closed_port, monkeypatch):
    """Everything down: the graph comes from files, freshness is unknown."""
    monkeypatch.setenv("LAKE_POSTGRES__PORT", closed_port)
    monkeypatch.setenv("LAKE_CATALOG__URI", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("LAKE_BROKER__BOOTSTRAP_SERVERS", f"127.0.0.1:{closed_port}")
    at = open_page(lineage_page)
    assert "topic:transactions" in at.selectbox(key="lineage-node").options


def test_a_sync_that_was_never_planned_says_how_to_plan_it():
    """Not an empty table but the command."""
    text = everything(open_page(activation_page))
    assert f"lake sync plan {NAME}" in text


def test_activation_shows_plan_runs_and_refusals(lake_settings, tmp_path):
    """A run with one refused record, then a plan with an update: both on the page, in the CRM's words."""
    mart = FileMart(path=tmp_path / "mart.json")
    mart.write(rows(20))
    sync = synced(lake_settings, mart, Agreeable("h007"))
    mart.write(rows(20, h003="gold"))
    with open_store(lake_settings.postgres, NAME) as store:
        store.save_plan(make_plan(sync, mart=mart, store=store, clock=SystemClock()))
    at = open_page(activation_page)
    text = everything(at)
    assert "Last run accepted: 19 (1 refused)" in text
    assert "Creates: 1 (" in text
    assert "Updates: 1 (" in text
    assert f"lake sync apply {NAME}" in text
    frames = {column: d.value for d in at.dataframe for column in d.value.columns}
    assert frames["Message"]["Message"].tolist() == ["tier: is no tier"]
    assert frames["Field"].to_dict("records") == [{"Field": "tier", "Records": 1}]
    changes = frames["Before"].set_index("Key")
    assert (changes.loc["h003", "Before"], changes.loc["h003", "After"]) == ("tier bronze", "tier gold")


def test_activation_without_its_database_names_it(closed_port, monkeypatch):
    """PostgreSQL down: one card, no traceback."""
    monkeypatch.setenv("LAKE_POSTGRES__PORT", closed_port)
    text = everything(open_page(activation_page))
    assert "postgres:" in text
    assert "lake up" in text


def test_no_page_shows_a_secret(lake_settings):
    """Whatever stands on the pages, no password and no token does."""
    shown = "\n".join(everything(open_page(page)) for page in (health_page, lineage_page, activation_page))
    secrets = lake_settings.secrets()
    assert secrets
    assert not [secret for secret in secrets if secret in shown]

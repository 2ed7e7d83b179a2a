"""Plan and apply on a real PostgreSQL and the demo's CRM: what is sent, refused and recorded."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pyarrow as pa
import pytest

from lake.activation import Guards, apply_sync, make_plan, open_destination, open_mart
from lake.catalog import open_catalog
from lake.clock import SystemClock
from lake.control.activation import (
    locked_store,
    open_store,
    read_rejections,
    read_sync_plan,
    read_sync_runs,
)
from lake.control.activation_values import PlanState, RunState
from lake.errors import BadInputError, ConflictError, RefusedError
from tests.fakes.activation import SYNC, FileMart, crm_process, rows, with_destination

pytestmark = pytest.mark.stack


@pytest.fixture
def mart(tmp_path):
    mart = FileMart(path=tmp_path / "mart.json")
    mart.write(rows(50))
    return mart


@pytest.fixture
def crm(tmp_path):
    with crm_process(tmp_path) as running:
        yield running


@pytest.fixture
def settings(lake_settings, crm):
    return crm.settings(lake_settings)


def plan(settings, mart, sync=SYNC):
    with open_store(settings.postgres, sync.name) as store:
        made = make_plan(sync, mart=mart, store=store, clock=SystemClock())
        store.save_plan(made)
    return made


def apply(settings, mart, sync=SYNC):
    with open_destination(sync, settings) as target, locked_store(settings.postgres, sync.name) as store:
        return apply_sync(sync, mart=mart, target=target, store=store, clock=SystemClock())


def test_a_plan_sends_nothing_and_shows_everything(settings, mart, crm):
    """All records are creates before the first apply; the CRM stays empty."""
    made = plan(settings, mart)
    assert [c.operation.value for c in made.changes] == ["create"] * 50
    assert crm.stats()["contacts"] == 0
    stored = read_sync_plan(settings.postgres, SYNC.name)
    assert stored is not None
    assert (stored.digest, stored.changes, stored.state) == (made.digest, made.changes, PlanState.OPEN)


def test_the_destination_holds_the_mart_after_an_apply(settings, mart, crm):
    """Each record once, with the mart's values; a sample is read back."""
    report = apply(settings, mart)
    assert (report.accepted, report.rejected, report.verified, report.mismatched) == (50, 0, 5, ())
    held = crm.contacts()
    assert {k: c["properties"]["tier"] for k, c in held.items()} == {
        r["external_id"]: r["tier"] for r in rows(50)
    }
    assert {c["version"] for c in held.values()} == {1}
    (run,) = read_sync_runs(settings.postgres, SYNC.name)
    assert (run.state, run.accepted, run.rejected, run.in_doubt) == (RunState.SUCCEEDED, 50, 0, 0)


def test_a_second_apply_sends_nothing(settings, mart, crm):
    """The ledger knows what the destination holds: not one request more than the count itself."""
    apply(settings, mart)
    before = crm.stats()
    report = apply(settings, mart)
    after = crm.stats()
    assert (report.run_id, report.accepted) == (None, 0)
    assert after["requests"] == before["requests"] + 1  # the asking for stats


def test_a_changed_tier_sends_exactly_that_household(settings, mart, crm):
    """One row of fifty moved: one update of one field."""
    apply(settings, mart)
    mart.write(rows(50, h017="gold"))
    made = plan(settings, mart)
    assert [(c.key, c.operation.value, c.fields) for c in made.changes] == [("h017", "update", ("tier",))]
    assert apply(settings, mart).accepted == 1
    held = crm.contacts()
    assert held["h017"]["properties"]["tier"] == "gold"
    assert {k for k, c in held.items() if c["version"] != 1} == {"h017"}


def test_a_b_a_is_applied_three_times(settings, mart, crm):
    """The way back is a change of its own: the destination does not take it for a repeat."""
    for tier in ("bronze", "gold", "bronze"):
        mart.write(rows(50, h003=tier))
        apply(settings, mart)
    contact = crm.contacts()["h003"]
    assert (contact["version"], contact["properties"]["tier"]) == (3, "bronze")
    assert crm.stats()["duplicate"] == 0


def test_a_record_that_left_the_mart_is_deleted_and_may_come_back(settings, mart, crm):
    """Mirror: only what this sync sent is deleted; a return is a create with a key of its own."""
    apply(settings, mart)
    mart.write(rows(49))
    assert apply(settings, mart).accepted == 1
    assert "h049" not in crm.contacts()
    mart.write(rows(50))
    apply(settings, mart)
    assert crm.contacts()["h049"]["properties"]["tier"] == "bronze"
    assert crm.stats()["duplicate"] == 0


def test_a_value_that_became_null_is_taken_away(settings, mart, crm):
    """The property disappears at the destination and the next run sends nothing."""
    apply(settings, mart)
    changed = rows(50)
    changed[4]["tier"] = None
    mart.write(changed)
    assert apply(settings, mart).accepted == 1
    assert "tier" not in crm.contacts()["h004"]["properties"]
    assert apply(settings, mart).run_id is None


def test_a_mart_that_moved_since_the_plan_is_refused(settings, mart, crm):
    """What was looked at is not what would be sent."""
    plan(settings, mart)
    mart.write(rows(50, h001="gold"))
    with pytest.raises(ConflictError, match="the mart moved"):
        apply(settings, mart)
    assert crm.stats()["contacts"] == 0


def test_a_mart_that_moved_to_the_same_content_is_applied(settings, mart):
    """A new snapshot with equal rows gives the same digest: no reason to refuse."""
    plan(settings, mart)
    mart.write(rows(50))
    assert apply(settings, mart).accepted == 50


def test_a_ledger_that_moved_since_the_plan_is_refused(settings, mart, crm):
    """Somebody else delivered in between: the plan's 'before' is history."""
    apply(settings, mart)
    mart.write(rows(50, h001="gold"))
    old = plan(settings, mart)
    mart.write(rows(50, h001="silver"))
    plan(settings, mart)
    apply(settings, mart)
    mart.write(rows(50, h001="gold"))
    with open_store(settings.postgres, SYNC.name) as store:
        store.save_plan(replace(old, plan_id=uuid4(), created_at=SystemClock().now()))
    before = crm.stats()["upserts_applied"]
    with pytest.raises(ConflictError, match="the ledger moved since"):
        apply(settings, mart)
    assert crm.stats()["upserts_applied"] == before


def test_a_mapping_that_changed_since_the_plan_is_refused(settings, mart):
    """The plan was made for other fields."""
    plan(settings, mart)
    with pytest.raises(ConflictError, match="the mapping moved"):
        apply(settings, mart, replace(SYNC, fields=SYNC.fields[:1]))


def test_a_field_that_is_mapped_no_longer_is_taken_away(settings, mart, crm):
    """The destination does not keep a stale value under our name."""
    apply(settings, mart)
    apply(settings, mart, replace(SYNC, fields=(("tier", "tier"),)))
    assert crm.contacts()["h000"]["properties"] == {"tier": "bronze"}


def test_refused_records_are_recorded_and_planned_again(settings, mart, crm):
    """The others of the batch are delivered; the reason is kept; a mended record goes through."""
    mart.write(rows(50, h005="x" * 300, h031="y" * 300))
    report = apply(settings, mart)
    assert (report.accepted, report.rejected) == (48, 2)
    rejections = read_rejections(settings.postgres, SYNC.name)
    assert sorted((r.key, r.code) for r in rejections) == [
        ("h005", "invalid_property"),
        ("h031", "invalid_property"),
    ]
    assert "256" in rejections[0].message
    (run, *_) = read_sync_runs(settings.postgres, SYNC.name)
    assert (run.state, run.rejected) == (RunState.PARTIAL, 2)
    mart.write(rows(50, h005="gold", h031="y" * 300))
    assert [c.key for c in plan(settings, mart).changes] == ["h005", "h031"]
    report = apply(settings, mart)
    assert (report.accepted, report.rejected) == (1, 1)
    assert crm.contacts()["h005"]["version"] == 1


def test_a_batch_refused_as_a_whole_is_halved_until_it_fits(settings, mart, crm):
    """The CRM takes 200 rows; 300 in one request are a 413, and still everyone is delivered once."""
    mart.write(rows(300))
    report = apply(settings, mart, with_destination(SYNC, batch_size=300))
    assert report.accepted == 300
    assert {c["version"] for c in crm.contacts().values()} == {1}


def test_a_guard_stops_an_apply_but_not_a_plan(settings, mart, crm):
    """An emptied mart would delete everything: shown in the plan, refused by apply."""
    strict = replace(
        SYNC,
        guards=Guards(max_create_share=1, max_update_share=1, max_delete_share=0.01, always_allow=0),
    )
    apply(settings, mart, strict)
    mart.write(rows(10))
    assert plan(settings, mart, strict).guards
    with pytest.raises(RefusedError, match="deletes are 80"):
        apply(settings, mart, strict)
    mart.write([])
    plan(settings, mart, strict)
    with pytest.raises(RefusedError, match="the mart is empty"):
        apply(settings, mart, strict)
    assert crm.stats()["contacts"] == 50


def test_two_applies_at_once_are_refused(settings, mart):
    """The second one finds the lock taken and touches nothing."""
    with locked_store(settings.postgres, SYNC.name), pytest.raises(ConflictError, match="another apply"):
        apply(settings, mart)


def test_a_contact_that_reads_back_different_is_reported(settings, mart, crm):
    """Verification can fail: a destination that rounds away what it was sent is found out."""
    mart.write([{"external_id": "h1", "tier": "gold", "monetary_value": 1}])

    class Forgetful:
        def __init__(self, target):
            self.target = target

        def send(self, members):
            return self.target.send(members)

        def read(self, key):
            return {**self.target.read(key), "tier": "silver"}

    with open_destination(SYNC, settings) as target, locked_store(settings.postgres, SYNC.name) as store:
        report = apply_sync(SYNC, mart=mart, target=Forgetful(target), store=store, clock=SystemClock())
    assert report.mismatched == ("h1",)
    (run,) = read_sync_runs(settings.postgres, SYNC.name)
    assert (run.state, run.mismatched) == (RunState.PARTIAL, ("h1",))


def test_a_key_with_signs_of_an_address_is_read_back(settings, mart, crm):
    """A key is one part of the path, whatever it holds."""
    mart.write([{"external_id": key, "tier": "gold", "monetary_value": 1} for key in ("a?b", "c#d", "e%41")])

    report = apply(settings, mart)

    assert (report.accepted, report.verified, report.mismatched) == (3, 3, ())


def test_the_lakes_mart_is_read_at_the_snapshot_that_the_plan_names(lake_settings):
    """A real Iceberg table: rows with decimals and dates, pinned; a later commit is another snapshot."""
    schema = lake_settings.landing.raw_schema
    sync = replace(SYNC, model=f"lake.{schema}.tiers")
    catalog = open_catalog(lake_settings)
    catalog.create_namespace(schema)

    def content(tier):
        return pa.table(
            {
                "external_id": ["h1", "h2"],
                "tier": [tier, None],
                "monetary_value": pa.array([Decimal("12.50"), Decimal("0.99")], pa.decimal128(18, 2)),
            }
        )

    table = catalog.create_table(f"{schema}.tiers", schema=content("gold").schema)
    with open_mart(lake_settings) as mart, pytest.raises(BadInputError, match="never been written"):
        mart.read(sync)
    table.append(content("gold"))
    with open_mart(lake_settings) as mart:
        state = mart.read(sync)
        assert state.snapshots == {f"{schema}.tiers": table.refresh().current_snapshot().snapshot_id}
        assert state.records == {
            "h1": {"tier": "gold", "monetary_value": 12.5},
            "h2": {"monetary_value": 0.99},
        }
    table.overwrite(content("silver"))
    with open_mart(lake_settings) as mart:
        assert dict(mart.snapshots(sync)) != dict(state.snapshots)
        assert mart.read(sync).records["h1"]["tier"] == "silver"

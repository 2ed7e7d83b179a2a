"""Activation: what the last plan would send, what the last runs sent, what was refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from app.console.data import SECONDS, load_sync, load_sync_definitions
from app.console.look import Colour, ago, badge_column, empty_card, error_card, plain, style
from app.console.parts import Problem
from lake.activation import Sync
from lake.clock import SystemClock
from lake.control.activation_values import Change, Payload, PlanState, RunState, StoredPlan
from lake.inspect.ages import describe_span
from lake.inspect.syncs import SyncFacts

_SHOWN = 200
_RUN_COLOURS: dict[RunState, Colour] = {
    RunState.SUCCEEDED: "green",
    RunState.RUNNING: "blue",
    RunState.PARTIAL: "orange",
    RunState.INCOMPLETE: "red",
}


def show() -> None:
    """Draw the syncs of the project, one at a time."""
    style()
    st.title("Activation")
    syncs = load_sync_definitions()
    if isinstance(syncs, Problem):
        error_card(syncs)
        return
    if not syncs:
        empty_card("No sync is defined yet: put one beside its model.", "models/activation/<sync>.sync.yaml")
        return
    sync = syncs[0]
    if len(syncs) > 1:
        name = st.selectbox("Sync", [s.name for s in syncs])
        sync = next(s for s in syncs if s.name == name)
    _sync(sync)


@st.fragment(run_every=SECONDS)
def _sync(sync: Sync) -> None:
    facts = load_sync(sync.name)
    now = SystemClock().now()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(sync.name)}**", width="content")
        if not isinstance(facts, Problem):
            _state(facts)
    st.caption(f"{plain(sync.description)} · from {plain(sync.model)} · owner {plain(sync.owner)}")
    if isinstance(facts, Problem):
        error_card(facts)
        return
    if facts.plan is None:
        empty_card("This sync was never planned.", f"lake sync plan {sync.name}")
        return
    _tiles(facts, now)
    _plan(facts, facts.plan, sync, now)
    _runs(facts, sync, now)
    _rejections(facts, now)


def _state(facts: SyncFacts) -> None:
    if facts.runs and facts.runs[0].state is not RunState.SUCCEEDED:
        run = facts.runs[0]
        st.badge(f"last run {run.state.value}", icon=":material/error:", color=_RUN_COLOURS[run.state])
    elif facts.plan and facts.plan.state is PlanState.OPEN and facts.plan.changes:
        st.badge("changes waiting", icon=":material/pending:", color="blue")
    elif facts.runs:
        st.badge("in step", icon=":material/check_circle:", color="green")


def _tiles(facts: SyncFacts, now: datetime) -> None:
    plan, counts = facts.plan, facts.counts
    if plan is None or counts is None:
        return
    with st.container(horizontal=True, gap="small", key="sync-tiles"):
        _tile("At the destination", f"{facts.held:,}", f"{plan.mart_rows:,} in the mart")
        waiting = plan.state is PlanState.OPEN
        when = f"planned {ago(plan.created_at, now)}" if waiting else plan.state.value
        _tile("Creates", f"{counts.creates:,}", when)
        _tile("Updates", f"{counts.updates:,}", when)
        _tile("Deletes", f"{counts.deletes:,}", when)
        if facts.runs:
            run = facts.runs[0]
            _tile("Last run accepted", f"{run.accepted:,}", f"{run.rejected:,} refused")
            if run.verified:
                same = run.verified - len(run.mismatched)
                _tile("Read back", f"{same} of {run.verified}", "as sent")


def _tile(label: str, value: str, said: str) -> None:
    st.metric(label, value, said, delta_color="gray", delta_arrow="off", border=True, height="stretch")


def _plan(facts: SyncFacts, plan: StoredPlan, sync: Sync, now: datetime) -> None:
    st.subheader("Last plan")
    st.caption(
        f"{plan.state.value} · made {ago(plan.created_at, now)} · digest {plan.digest[:12]}"
        f" · against {plan.ledger_rows:,} records at the destination"
    )
    for guard in plan.guards:
        st.warning(plain(guard), icon=":material/shield:")
    if plan.in_doubt:
        said = f"{plan.in_doubt:,} records of a killed run are in doubt: apply sends the same again first."
        st.warning(said, icon=":material/sync_problem:")
    if not plan.changes:
        st.markdown(":green[Nothing to send: the destination is in step with the mart.]")
        return
    if plan.state is PlanState.OPEN:
        st.code(f"lake sync apply {sync.name}", language=None)
    if facts.counts and facts.counts.updates_by_field:
        st.dataframe(
            [{"Field": f, "Records": n} for f, n in facts.counts.updates_by_field.items()],
            column_config={
                "Records": st.column_config.ProgressColumn(
                    format="localized", min_value=0, max_value=facts.counts.updates
                )
            },
            hide_index=True,
            height="content",
        )
    more = f" ({_SHOWN} of {len(plan.changes):,})" if len(plan.changes) > _SHOWN else ""
    with st.expander(f"Records of the plan{more}", expanded=len(plan.changes) <= 20):
        st.dataframe(
            [_change(c) for c in plan.changes[:_SHOWN]],
            column_config={
                "Does": badge_column({"create": "green", "update": "blue", "delete": "red"}),
                "Before": st.column_config.TextColumn(width="large"),
                "After": st.column_config.TextColumn(width="large"),
            },
            hide_index=True,
        )


def _change(change: Change) -> dict[str, object]:
    fields = change.fields
    return {
        "Does": [change.operation.value],
        "Key": change.key,
        "Before": _values(change.before, fields),
        "After": _values(change.after, fields),
    }


def _values(payload: Payload | None, fields: tuple[str, ...]) -> str:
    values: Mapping[str, object] = payload or {}
    return ", ".join(f"{name} {values[name]}" for name in fields if name in values)


def _runs(facts: SyncFacts, sync: Sync, now: datetime) -> None:
    st.subheader("Runs")
    if not facts.runs:
        empty_card("Nothing was sent yet.", f"lake sync apply {sync.name}")
        return
    st.dataframe(
        [
            {
                "Result": [run.state.value],
                "Started": ago(run.started_at, now),
                "Took": describe_span(run.finished_at - run.started_at) if run.finished_at else "",
                "Accepted": run.accepted,
                "Refused": run.rejected,
                "In doubt": run.in_doubt,
                "Read back": f"{run.verified - len(run.mismatched)} of {run.verified}"
                if run.verified
                else "",
                "Note": run.message,
            }
            for run in facts.runs
        ],
        column_config={
            "Result": badge_column(_RUN_COLOURS),
            "Accepted": st.column_config.NumberColumn(format="localized"),
        },
        hide_index=True,
        height="content",
    )


def _rejections(facts: SyncFacts, now: datetime) -> None:
    if not facts.rejections:
        return
    st.subheader("Refused records")
    st.caption("In the destination's own words; the next plan holds them again.")
    st.dataframe(
        [
            {
                "Key": r.key,
                "Does": r.operation.value,
                "Code": r.code,
                "Message": r.message,
                "When": ago(r.at, now),
            }
            for r in facts.rejections
        ],
        column_config={"Message": st.column_config.TextColumn(width="large")},
        hide_index=True,
    )

"""Health: is every table fresh, is anything waiting, did all audits pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.console.board import StreamRow, TableRow, model_rows, problems, stream_rows
from app.console.data import SECONDS
from app.console.look import COLOURS, Colour, ago, badge, badge_column, empty_card, error_card, plain, style
from app.console.parts import Problem
from app.console.reading import HEALTH, Health, History
from lake.inspect.ages import describe_count, describe_span
from lake.inspect.values import AuditLine, Judgement, RunLine, StreamFacts, Verdict


def show() -> None:
    """Draw the page; everything that moves is in a fragment that runs again by itself."""
    style()
    st.title("Health")
    _board()


@st.fragment(run_every=SECONDS)
def _board() -> None:
    health = HEALTH.get()
    streams, models = stream_rows(health), model_rows(health)
    _summary(health, [*(r.judgement for r in streams), *(r.judgement for r in models)])
    for problem in problems(health):
        error_card(problem)
    _tiles(health, streams, models)
    _streams(health, streams)
    _tables(health, models)
    if not isinstance(health.history, Problem):
        _audits_and_runs(health.history, health.at)


def _summary(health: Health, judgements: list[Judgement]) -> None:
    bad = [j for j in judgements if j.verdict in {Verdict.FAILED, Verdict.LATE}]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not judgements or problems(health):
            st.badge("not all parts can be read", icon=":material/warning:", color="red")
        elif any(j.verdict is Verdict.FAILED for j in bad):
            st.badge(f"{len(bad)} need attention", icon=":material/error:", color="red")
        elif bad:
            st.badge(f"{len(bad)} late", icon=":material/schedule:", color="orange")
        elif all(j.verdict is Verdict.MISSING for j in judgements):
            st.badge("nothing has landed yet", icon=":material/radio_button_unchecked:", color="gray")
        else:
            st.badge("everything in order", icon=":material/check_circle:", color="green")
        st.caption(f"as of {health.at:%H:%M:%S} UTC, refreshed every {SECONDS} s")


def _tiles(health: Health, streams: tuple[StreamRow, ...], models: tuple[TableRow, ...]) -> None:
    with st.container(horizontal=True, gap="small", key="tiles"):
        rows: tuple[StreamRow | TableRow, ...] = (*streams, *models)
        if rows:
            fine = sum(r.judgement.verdict in {Verdict.FRESH, Verdict.QUIET} for r in rows)
            missing = sum(r.judgement.verdict is Verdict.MISSING for r in rows)
            wrong = fine + missing < len(rows)  # what nobody has asked for yet is not wrong
            good = False if wrong else None if missing else True
            _tile("Tables in order", f"{fine} of {len(rows)}", _worst(rows), good=good)
        if streams and not isinstance(health.lag, Problem):
            waiting = sum(r.facts.lag or 0 for r in streams)
            said = "all landed" if waiting == 0 else "in the topics"
            _tile("Records waiting", describe_count(waiting), said, good=waiting == 0)
        if streams:
            total = sum(r.rows or 0 for r in streams)
            refused = sum(r.quarantined or 0 for r in streams)
            _tile("Records landed", describe_count(total), f"{refused:,} in quarantine", good=None)
        if not isinstance(health.history, Problem):
            _history_tiles(health.history, health.at)
        if not isinstance(health.syncs, Problem):
            _sync_tile(health)


def _worst(rows: tuple[StreamRow | TableRow, ...]) -> str:
    for verdict in (Verdict.FAILED, Verdict.LATE, Verdict.MISSING, Verdict.UNKNOWN, Verdict.QUIET):
        if count := sum(r.judgement.verdict is verdict for r in rows):
            return f"{count} {verdict.value}"
    return "all fresh"


def _history_tiles(history: History, now: datetime) -> None:
    failed = sum(not a.passed for a in history.audits)
    passed = len(history.audits) - failed
    if history.audits:
        said = f"{failed} failed" if failed else "none failed"
        _tile("Audits passed", f"{passed} of {len(history.audits)}", said, good=not failed)
    if history.runs:
        run = history.runs[0]
        _tile(
            "Last run", run.result, f"{run.kind}, {ago(run.started_at, now)}", good=run.result == "succeeded"
        )


def _sync_tile(health: Health) -> None:
    if isinstance(health.syncs, Problem):
        return
    for sync in health.syncs:
        if not sync.runs:
            continue
        run = sync.runs[0]
        good = run.state.value == "succeeded"
        _tile("At the destination", f"{sync.held:,}", f"last sync {run.state.value}", good=good)


def _tile(label: str, value: str, said: str, *, good: bool | None) -> None:
    colour: Colour = "gray" if good is None else "green" if good else "orange"
    st.metric(label, value, said, delta_color=colour, delta_arrow="off", border=True, height="stretch")


def _streams(health: Health, streams: tuple[StreamRow, ...]) -> None:
    st.subheader("Landing")
    if isinstance(health.tables, Problem) or isinstance(health.contracts, Problem):
        st.caption("The catalog and the contracts tell what has landed.")
        return
    if not streams:
        empty_card("No stream has a contract yet.", "lake contract check")
        return
    if all(r.facts.committed_at is None for r in streams):
        empty_card("Nothing has landed yet.", "lake ingest run && lake extract run")
    with st.container(horizontal=True, gap="small", key="streams"):
        for row in streams:
            _stream_card(row, health.at)


def _stream_card(row: StreamRow, now: datetime) -> None:
    facts = row.facts
    with st.container(border=True, key=f"card-{facts.stream}", gap="xxsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{plain(facts.stream)}**", width="content")
            badge(row.judgement.verdict)
        st.caption(plain(facts.origin))
        waiting = "" if facts.is_extract or facts.lag is None else f" · **{facts.lag:,}** waiting"
        refused = f" · :orange[**{row.quarantined:,}** refused]" if row.quarantined else ""
        st.markdown(f"**{row.rows or 0:,}** rows{waiting}{refused}")
        newest = f" · newest {_newest(facts, now)}" if facts.newest_event else ""
        st.caption(plain(f"committed {ago(facts.committed_at, now)}{newest}"))
        st.caption(plain(row.judgement.because))


def _newest(facts: StreamFacts, now: datetime) -> str:
    """Return the newest event's age; of an extract its day: the age of a price list says nothing."""
    if facts.is_extract and facts.newest_event is not None:
        return str(facts.newest_event)[:10]
    return ago(facts.newest_event, now)


def _tables(health: Health, models: tuple[TableRow, ...]) -> None:
    st.subheader("Models")
    if isinstance(health.tables, Problem) or isinstance(health.graph, Problem):
        st.caption("The catalog and the project's files tell what is built.")
        return
    if not any(r.table.snapshots for r in models):
        empty_card("No model has been built yet.", "sqlmesh plan")
        return
    st.dataframe(
        [
            {
                "Status": [row.judgement.verdict.value],
                "Table": row.table.name,
                "Why": row.judgement.because,
                "Rows": "" if row.table.rows is None else f"{row.table.rows:,}",
                "Audits": _audits(row),
                "Last commit": ago(row.table.committed_at, health.at),
                "Newest event": "" if row.newest_event is None else str(row.newest_event)[:16],
                "Kind": row.table.kind,
                "Owner": row.table.owner,
            }
            for row in models
        ],
        column_config={
            "Status": badge_column(COLOURS),
            "Table": st.column_config.TextColumn(width=290),
            "Why": st.column_config.TextColumn(width=210),
            "Rows": st.column_config.TextColumn(alignment="right", width="small"),
        },
        hide_index=True,
        height="content",
    )


def _audits(row: TableRow) -> str:
    total = row.audits_passed + row.audits_failed
    return f"{row.audits_passed} of {total}" if total else ""


def _audits_and_runs(history: History, now: datetime) -> None:
    left, right = st.columns(2)
    with left:
        st.subheader("Audits")
        _audit_table(history.audits, now)
    with right:
        st.subheader("Runs")
        _run_table(history.runs, now)


def _audit_table(audits: Sequence[AuditLine], now: datetime) -> None:
    if not audits:
        empty_card("No audit has run yet.", "sqlmesh plan")
        return
    rows = [
        {
            "Result": ["passed" if a.passed else "failed"],
            "Model": a.model,
            "Audit": a.audit,
            "Failing rows": a.failing,
            "Checked": ago(a.at, now),
        }
        for a in audits
    ]
    results = badge_column({"passed": "green", "failed": "red"})
    st.dataframe(rows, column_config={"Result": results}, hide_index=True, height=330)


def _run_table(runs: Sequence[RunLine], now: datetime) -> None:
    if not runs:
        empty_card("No run yet.", "sqlmesh plan")
        return
    rows = [
        {
            "Result": [run.result],
            "What": f"{run.kind} of {run.environment}",
            "Started": ago(run.started_at, now),
            "Took": describe_span(run.finished_at - run.started_at) if run.finished_at else "",
            "By": run.actor,
            "Error": run.error,
        }
        for run in runs
    ]
    results = badge_column(
        {
            "succeeded": "green",
            "running": "blue",
            "failed": "red",
            "refused": "red",
            "interrupted": "orange",
        }
    )
    st.dataframe(rows, column_config={"Result": results}, hide_index=True, height="content")

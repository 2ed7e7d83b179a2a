"""Lineage: from topic or extract to the destination; a click shows what a node is and what depends on it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.console.board import model_rows, stream_rows
from app.console.data import load_lineage
from app.console.look import COLOURS, ICONS, ago, badge, empty_card, error_card, plain, style
from app.console.parts import Problem
from app.console.picture import chart, height
from app.console.reading import HEALTH, Health
from lake.inspect.lineage import Lineage, LineageNode
from lake.inspect.values import Judgement, Verdict

_SECONDS = 30
_CHART = "lineage-chart"
_CHOICE = "lineage-node"


def show() -> None:
    """Draw the graph and, beneath it, the node that is chosen by click or by name."""
    style()
    st.title("Lineage")
    lineage = load_lineage()
    if isinstance(lineage, Problem):
        error_card(lineage)
        return
    if not lineage.nodes:
        empty_card("This project has no contracts and no models yet.", "lake contract check && sqlmesh plan")
        return
    _graph(lineage)


@st.fragment(run_every=_SECONDS)
def _graph(lineage: Lineage) -> None:
    judgements = _judgements(HEALTH.get())
    _legend()
    options = [node.id for node in lineage.nodes]
    chosen = st.session_state.get(_CHOICE)
    with st.container(key="lineage-frame"):
        st.echarts_chart(
            chart(
                lineage,
                verdicts={k: j.verdict for k, j in judgements.items()},
                selected=chosen if chosen in options else None,
            ),
            key=_CHART,
            on_select=_take_click,
            height=height(lineage),
            alt="Graph of sources, tables, models and destinations",
        )
    st.selectbox(
        "Node",
        options,
        index=None,
        key=_CHOICE,
        placeholder="Click a node, or choose one by name",
        label_visibility="collapsed",
    )
    node = lineage.node(st.session_state.get(_CHOICE) or "")
    if node is None:
        st.caption("Nothing chosen: all nodes are shown. A node's colour is its freshness.")
        return
    _details(lineage, node, judgements)


def clicked(lineage: Lineage, selection: Any) -> str | None:
    """Return the id of the node that a selection of the chart means; pure, indices are checked."""
    for series in selection["selection"]["selected"]:
        for index in series["data_indices"] if series["data_type"] == "node" else ():
            if 0 <= index < len(lineage.nodes):
                found: LineageNode = lineage.nodes[index]
                return found.id
    return None


def _take_click() -> None:
    """Carry a click on the picture over to the box with names, before the page is drawn again."""
    lineage = load_lineage()
    if not isinstance(lineage, Problem):
        st.session_state[_CHOICE] = clicked(lineage, st.session_state[_CHART])


def _judgements(health: Health) -> dict[str, Judgement]:
    """Return the verdicts by node id: a table's own, a source's by the table it feeds."""
    found: dict[str, Judgement] = {}
    for row in stream_rows(health):
        found[row.facts.table] = row.judgement
    for table in model_rows(health):
        found[table.table.name] = table.judgement
    if not isinstance(health.syncs, Problem):
        for sync in health.syncs:
            if sync.runs:
                fine = sync.runs[0].state.value == "succeeded"
                found[f"sync:{sync.name}"] = Judgement(
                    verdict=Verdict.FRESH if fine else Verdict.LATE,
                    because=f"last sync {sync.runs[0].state.value}",
                )
    return found


def _legend() -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for verdict in (Verdict.FRESH, Verdict.QUIET, Verdict.LATE, Verdict.FAILED, Verdict.MISSING):
            st.badge(verdict.value, icon=ICONS[verdict], color=COLOURS[verdict])


def _details(lineage: Lineage, node: LineageNode, judgements: dict[str, Judgement]) -> None:
    left, right = st.columns([2, 3])
    with left, st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(node.label)}**", width="content")
            if judgement := judgements.get(node.id):
                badge(judgement.verdict)
        st.caption(f"{plain(node.kind)} · owner {plain(node.owner or 'nobody')}")
        if node.description:
            st.markdown(plain(node.description))
        if judgement:
            st.markdown(f":gray[{plain(judgement.because)}]")
        if (written := _written(node)) is not None:
            st.markdown(f":gray[{plain(written)}]")
        if node.path:
            st.caption(f":material/description: {plain(node.path)}")
        if node.table:
            st.code(f'lake sql "FROM lake.{node.table} LIMIT 10"', language=None)
    with right:
        if node.items:
            st.dataframe(
                [{"Column": i.name, "Type": i.type, "Description": i.description} for i in node.items],
                hide_index=True,
                height="content" if len(node.items) <= 9 else 350,
            )
        _neighbours("Flows in from", lineage, lineage.upstream(node.id))
        _neighbours("Flows on to", lineage, lineage.downstream(node.id))


def _written(node: LineageNode) -> str | None:
    health = HEALTH.get()
    if isinstance(health.tables, Problem):
        return None
    for table in health.tables:
        if table.name == node.table and table.committed_at is not None:
            rows = "" if table.rows is None else f"{table.rows:,} rows, "
            return f"{rows}last commit {ago(table.committed_at, health.at)}"
    return None


def _neighbours(title: str, lineage: Lineage, ids: frozenset[str]) -> None:
    labels = [node.label for node in lineage.nodes if node.id in ids]
    if labels:
        st.caption(f"{title}: " + ", ".join(plain(label) for label in labels))

"""From parts to what the health page draws: rows with verdicts, and the figures of the tiles. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from app.console.parts import Problem
from app.console.reading import Health
from lake.inspect.freshness import SEVERITY, judge_model, judge_stream
from lake.inspect.values import Judgement, Layer, StreamFacts, TableFacts, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """One stream's card."""

    facts: StreamFacts
    judgement: Judgement
    rows: int | None
    quarantined: int | None
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One line of the table of tables."""

    table: TableFacts
    judgement: Judgement
    newest_event: datetime | date | None
    audits_passed: int
    audits_failed: int


def stream_rows(health: Health) -> tuple[StreamRow, ...]:
    """Return a row per contract, the worst verdict first; empty when tables or contracts can't be read."""
    if isinstance(health.contracts, Problem) or isinstance(health.tables, Problem):
        return ()
    tables = {(t.layer, t.name.split(".")[-1]): t for t in health.tables}
    events = {} if isinstance(health.events, Problem) else health.events
    lag = {} if isinstance(health.lag, Problem) else health.lag
    asked = None if isinstance(health.history, Problem) else health.history.last_extract
    rows = []
    for contract in health.contracts:
        raw = tables[Layer.RAW, contract.stream]
        bad = tables[Layer.QUARANTINE, contract.stream]
        status = lag.get(contract.stream)
        facts = StreamFacts(
            stream=contract.stream,
            table=raw.name,
            origin=raw.kind,
            sla=contract.freshness,
            lag=status.lag if status else None,
            newest_event=events.get(raw.name),
            committed_at=raw.committed_at,
            checked_at=asked,
            is_extract=not contract.topic,
        )
        judgement = judge_stream(facts, now=health.at)
        if status is not None and status.problem:
            judgement = Judgement(verdict=Verdict.LATE, because=status.problem)
        rows.append(
            StreamRow(
                facts=facts,
                judgement=judgement,
                rows=raw.rows,
                quarantined=bad.rows,
                owner=contract.owner,
            )
        )
    return tuple(
        sorted(rows, key=lambda r: (r.facts.is_extract, SEVERITY.index(r.judgement.verdict), r.facts.stream))
    )


def model_rows(health: Health) -> tuple[TableRow, ...]:
    """Return a row per model, the end of the flow first; empty when tables or graph can't be read."""
    if isinstance(health.tables, Problem) or isinstance(health.graph, Problem):
        return ()
    known = not isinstance(health.history, Problem)
    builds = {} if isinstance(health.history, Problem) else health.history.builds
    audits = () if isinstance(health.history, Problem) else health.history.audits
    passed = Counter(a.model for a in audits if a.passed)
    failed = Counter(a.model for a in audits if not a.passed)
    events = {} if isinstance(health.events, Problem) else health.events
    rows = []
    for table in health.tables:
        node = health.graph.node(table.name)
        if node is None or node.external:
            continue
        judgement = judge_model(
            kind=node.kind,
            cron=node.cron,
            built=builds.get(node.name),
            failing_audits=failed[node.name],
            exists=bool(table.snapshots),
            now=health.at,
        )
        if not known and table.snapshots:
            judgement = Judgement(verdict=Verdict.UNKNOWN, because="the history can't be read")
        rows.append(
            TableRow(
                table=table,
                judgement=judgement,
                newest_event=events.get(table.name),
                audits_passed=passed[node.name],
                audits_failed=failed[node.name],
            )
        )
    order = list(reversed(Layer))
    return tuple(
        sorted(
            rows,
            key=lambda r: (SEVERITY.index(r.judgement.verdict), order.index(r.table.layer), r.table.name),
        )
    )


def problems(health: Health) -> tuple[Problem, ...]:
    """Return each problem once: a service that is down takes several parts with it."""
    parts = (
        health.contracts,
        health.graph,
        health.tables,
        health.events,
        health.lag,
        health.history,
        health.syncs,
    )
    found: dict[str, Problem] = {}
    for part in parts:
        if isinstance(part, Problem):
            found.setdefault(part.service or part.message, part)
    return tuple(found.values())

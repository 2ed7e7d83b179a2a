"""Judge freshness: pure, from facts and a time that is passed in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from croniter import croniter  # type: ignore[import-untyped]  # it ships no types

from lake.inspect.ages import describe_span
from lake.inspect.values import BuildLine, Judgement, StreamFacts, Verdict

# A late or failed table matters more than a quiet one: the order in which pages list them.
SEVERITY = (
    Verdict.FAILED,
    Verdict.LATE,
    Verdict.MISSING,
    Verdict.UNKNOWN,
    Verdict.QUIET,
    Verdict.FRESH,
)
_VIEWS = frozenset({"VIEW", "EMBEDDED", "EXTERNAL"})


def moment(value: datetime | date) -> datetime:
    """Return the latest moment that a value may stand for: a date counts to its end."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value + timedelta(days=1), time.min, UTC)


def judge_stream(facts: StreamFacts, *, now: datetime) -> Judgement:
    """Hold a landing table against its contract's freshness.

    A stream without lag holds all that was sent, however old that is: then the source is quiet, not the
    table late. An extract is judged by when its source was last asked or last gave something.
    """
    if facts.committed_at is None:
        return Judgement(verdict=Verdict.MISSING, because="nothing has landed yet")
    if facts.is_extract:
        return _judge_extract(facts, now=now)
    if facts.lag is None:
        return Judgement(verdict=Verdict.UNKNOWN, because="the broker does not tell what waits")
    age = None if facts.newest_event is None else now - moment(facts.newest_event)
    old = facts.sla is not None and age is not None and age > facts.sla
    promised = f"; promised within {describe_span(facts.sla)}" if facts.sla else ""
    if facts.lag > 0:
        waiting = f"{facts.lag:,} records wait"
        return Judgement(verdict=Verdict.LATE if old else Verdict.FRESH, because=waiting + promised)
    if old and age is not None:
        silence = f"all records landed; the source has been silent for {describe_span(age)}"
        return Judgement(verdict=Verdict.QUIET, because=silence)
    return Judgement(verdict=Verdict.FRESH, because="all records landed" + promised)


def _judge_extract(facts: StreamFacts, *, now: datetime) -> Judgement:
    asked = max(at for at in (facts.committed_at, facts.checked_at) if at is not None)
    since = f"source last asked {describe_span(now - asked)} ago"
    if facts.sla is not None and now - asked > facts.sla:
        return Judgement(verdict=Verdict.LATE, because=f"{since}; promised within {describe_span(facts.sla)}")
    return Judgement(verdict=Verdict.FRESH, because=since)


def judge_model(
    *, kind: str, cron: str, built: BuildLine | None, failing_audits: int, exists: bool, now: datetime
) -> Judgement:
    """Hold a model against its schedule: late when a whole interval before the current one is missing."""
    if not exists:
        return Judgement(verdict=Verdict.MISSING, because="not built yet")
    if built is not None and built.result in {"refused", "failed"}:
        reason = "an audit refused the last build" if built.result == "refused" else "the last build failed"
        return Judgement(verdict=Verdict.FAILED, because=reason)
    if failing_audits:
        return Judgement(verdict=Verdict.FAILED, because=f"{failing_audits} audits fail")
    if kind in _VIEWS:
        return Judgement(verdict=Verdict.FRESH, because="a view: as new as its tables")
    if built is None:
        return Judgement(verdict=Verdict.UNKNOWN, because="its build is not in the history")
    ticks = croniter(cron, now, ret_type=datetime)
    ticks.get_prev()  # the end of the last whole interval: it may still be waiting for its run
    expected: datetime = ticks.get_prev()
    if built.through < expected:
        behind = describe_span(expected - built.through)
        return Judgement(verdict=Verdict.LATE, because=f"{behind} behind its schedule ({cron})")
    return Judgement(verdict=Verdict.FRESH, because=f"complete through {_last(built.through)}")


def _last(end: datetime) -> str:
    """Return the last moment before an exclusive end: of whole days, the day."""
    if end.time() == time.min:
        return f"{end - timedelta(days=1):%Y-%m-%d}"
    return f"{end:%Y-%m-%d %H:%M} UTC"

"""What a plan's summary says: estimates from the past, columns, readers, Markdown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.plan_page import markdown, run_text, text
from lake.control import Evaluation, Result
from lake.mesh.estimate import Built, Estimate, estimate, fit
from lake.mesh.running import RunSummary, sum_up
from lake.mesh.summary import Affected, ColumnChange, How, ModelChange, PlanSummary

DAY = timedelta(days=1)


@given(
    fixed=st.floats(0.01, 10),
    per_row=st.floats(1e-6, 1e-2),
    rows=st.lists(st.integers(0, 10**6), min_size=2, max_size=20, unique=True),
)
def test_the_fit_finds_the_price_of_a_publish_and_of_a_row(
    fixed: float, per_row: float, rows: list[int]
) -> None:
    """Exact for builds that cost a + b * rows."""
    found = fit([Built(span=DAY, rows=n, seconds=fixed + per_row * n) for n in rows])
    assert found == pytest.approx((fixed, per_row), rel=1e-3, abs=1e-3)


@given(
    st.lists(
        st.builds(Built, span=st.just(DAY), rows=st.integers(0, 10**6), seconds=st.floats(0, 100)), min_size=1
    )
)
def test_no_price_is_below_zero(past: list[Built]) -> None:
    """Whatever the noise."""
    assert min(fit(past)) >= 0


def test_a_time_range_costs_in_proportion_and_a_full_model_what_it_cost_last() -> None:
    """Batches pay the price of a publish each; a model without a past is unknown."""
    past = [Built(span=DAY, rows=100, seconds=2.0), Built(span=3 * DAY, rows=300, seconds=4.0)]
    assert estimate(past, span=10 * DAY, batches=5, by_interval=True) == Estimate(rows=1000, seconds=15.0)
    assert estimate(past, span=10 * DAY, batches=1, by_interval=False) == Estimate(rows=100, seconds=2.0)
    assert estimate([], span=DAY, batches=1, by_interval=True) == Estimate(rows=None, seconds=None)
    assert estimate(past, span=timedelta(), batches=0, by_interval=True) == Estimate(rows=0, seconds=0.0)


SUMMARY = PlanSummary(
    plan_id="p",
    environment="dev_tiers",
    applied=False,
    models=(
        ModelChange(
            model="analytics.value",
            kind="FULL",
            how=How.MODIFIED,
            category="breaking",
            columns=(ColumnChange(column="tier", before="TEXT", after=""),),
            start=datetime(2026, 1, 1, tzinfo=UTC),
            end=datetime(2026, 1, 2, tzinfo=UTC),
            batches=1,
            rows=2469,
            seconds=3.5,
        ),
        ModelChange(
            model="analytics.daily",
            kind="INCREMENTAL_BY_TIME_RANGE",
            how=How.ADDED,
            category="breaking",
            start=datetime(2026, 1, 1, tzinfo=UTC),
            end=datetime(2026, 1, 2, tzinfo=UTC),
            batches=1,
            rows=None,
            seconds=None,
        ),
    ),
    affected=(Affected(reader="sync tiers", model="analytics.value", columns=("- tier TEXT",)),),
)


def test_the_summary_counts_what_is_known_and_names_what_is_not() -> None:
    """An unknown cost is no zero."""
    lines = "\n".join(text(SUMMARY))
    assert "2 models, about 2,469 rows and 3.5 s of work, 1 never built before" in lines
    assert "analytics.daily: added, breaking, 2026-01-01 00:00 to 2026-01-02 00:00, cost unknown" in lines
    assert "sync tiers reads analytics.value (- tier TEXT)" in lines


def test_the_page_for_a_pull_request_is_a_markdown_table() -> None:
    """Each row has as many cells as the head; nothing changes reads so."""
    page = markdown(SUMMARY)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {8}
    assert "`- tier TEXT`" in page
    empty = PlanSummary(plan_id="p", environment="dev_x", applied=False, models=(), affected=())
    assert "nothing changes" in markdown(empty)


def evaluation(model: str, day: int, result: Result, rows: int | None) -> Evaluation:
    """Return one build of a day."""
    start = datetime(2026, 1, day, tzinfo=UTC)
    return Evaluation(
        evaluation_id=uuid4(), run_id=None, model=model, table_name="t", fingerprint="f",
        interval_start=start, interval_end=start + DAY, started_at=start, seconds=0.5, engine="duckdb",
        result=result, rows=rows, error="" if result is Result.SUCCEEDED else "audit x: 3\nmore",
    )  # fmt: skip


def test_a_run_is_summed_up_by_model_and_a_failure_stands_out() -> None:
    """Models in the order of their begin; rows of what was published only; one line of the reason."""
    built = [
        evaluation("a.late", 3, Result.REFUSED, 9),
        evaluation("a.first", 1, Result.SUCCEEDED, 5),
        evaluation("a.late", 2, Result.SUCCEEDED, 4),
    ]
    summary = RunSummary(environment="prod", ended="failure", models=tuple(sum_up(built, ["a.first"])))
    assert [(m.model, m.builds, m.rows, m.warnings) for m in summary.models] == [
        ("a.first", 1, 5, 1),
        ("a.late", 2, 4, 0),
    ]
    assert [m.model for m in summary.failed] == ["a.late"]
    assert list(run_text(summary)) == [
        "run of prod: 2 models, 9 rows in 1.5 s of work",
        "  a.first: succeeded, 2026-01-01 00:00 to 2026-01-02 00:00, 5 rows in 0.5 s, 1 audits warn",
        "  a.late: refused, 2026-01-02 00:00 to 2026-01-04 00:00, 4 rows in 1.0 s",
        "      audit x: 3",
    ]
    nothing = RunSummary(environment="dev_x", ended="nothing to do", models=())
    assert list(run_text(nothing)) == ["run of dev_x: nothing to do"]

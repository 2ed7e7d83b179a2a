"""Show a plan's summary: as lines for a terminal, as Markdown for a pull request; a run's as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lake.mesh.summary import ModelChange, PlanSummary

if TYPE_CHECKING:
    from lake.mesh.running import RunSummary

_COLUMNS = ("model", "change", "category", "builds", "rows", "seconds", "columns")


def text(summary: PlanSummary) -> Iterator[str]:
    """Yield the lines of a summary."""
    done = "applied to" if summary.applied else "not applied to"
    yield f"plan {done} {summary.environment}: {_headline(summary)}"
    for model in summary.models:
        facts = ", ".join(fact for fact in (model.how.value, model.category, _builds(model)) if fact)
        yield f"  {model.model}: {facts}{_cost(model)}"
        for column in model.columns:
            yield f"      {column}"
    for reader in summary.affected:
        columns = f" ({'; '.join(reader.columns)})" if reader.columns else ""
        yield f"  {reader.reader} reads {reader.model}{columns}"


def markdown(summary: PlanSummary) -> str:
    """Return a summary as a Markdown page."""
    lines = [
        f"### Plan for `{summary.environment}`: {_headline(summary)}",
        "",
        "Applied." if summary.applied else "Not applied.",
    ]
    if summary.models:
        lines += ["", _cells(_COLUMNS), _cells(["---"] * len(_COLUMNS))]
        lines += [
            _cells(
                [
                    f"`{model.model}`",
                    model.how.value,
                    model.category,
                    _builds(model),
                    _number(model.rows),
                    _number(model.seconds),
                    "<br>".join(f"`{column}`" for column in model.columns),
                ]
            )
            for model in summary.models
        ]
    if summary.affected:
        lines += ["", "**Readers of what changes**", ""]
        lines += [
            f"- {reader.reader} reads `{reader.model}`"
            + (f": {', '.join(f'`{column}`' for column in reader.columns)}" if reader.columns else "")
            for reader in summary.affected
        ]
    return "\n".join(lines) + "\n"


def run_text(summary: RunSummary) -> Iterator[str]:
    """Yield the lines of a run's summary."""
    models = len(summary.models)
    cost = f"{summary.rows:,} rows in {summary.seconds:,.1f} s of work"
    built = f"{models} model{'s' if models > 1 else ''}, {cost}" if models else summary.ended
    yield f"run of {summary.environment}: {built}"
    for model in summary.models:
        span = f"{model.start:%Y-%m-%d %H:%M} to {model.end:%Y-%m-%d %H:%M}"
        warned = f", {model.warnings} audits warn" if model.warnings else ""
        facts = f"{model.result.value}, {span}, {model.rows:,} rows in {model.seconds:,.1f} s{warned}"
        yield f"  {model.model}: {facts}"
        if model.error:
            yield f"      {model.error.splitlines()[0]}"


def _headline(summary: PlanSummary) -> str:
    if not summary.models:
        return "nothing changes"
    changed = len(summary.models)
    line = f"{changed} model{'s' if changed > 1 else ''}"
    if any(model.batches for model in summary.models):
        line += f", about {summary.rows:,} rows and {summary.seconds:,.1f} s of work"
    if unknown := len(summary.unknown):
        line += f", {unknown} never built before"
    return line


def _builds(model: ModelChange) -> str:
    if not model.batches or model.start is None or model.end is None:
        return ""
    if model.kind.startswith("INCREMENTAL"):
        return f"{model.start:%Y-%m-%d %H:%M} to {model.end:%Y-%m-%d %H:%M}"
    return "anew"


def _cost(model: ModelChange) -> str:
    if not model.batches:
        return ""
    if model.seconds is None:
        return ", cost unknown"
    return f", about {_number(model.rows)} rows in {model.seconds:,.1f} s"


def _number(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,}" if value else ""


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

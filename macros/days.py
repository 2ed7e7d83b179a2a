"""Days in UTC, whatever time zone the session of an engine has."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh import macro

if t.TYPE_CHECKING:
    from sqlmesh.core.macros import MacroEvaluator


@macro()
def utc_day(_evaluator: MacroEvaluator, instant: exp.Expression) -> exp.Expression:
    """Give the UTC day of a timestamp with time zone as a DATE.

    A bare cast would use the session's time zone: the same row would fall on different days for
    two readers.
    """
    in_utc = exp.AtTimeZone(this=exp.paren(instant.copy()), zone=exp.Literal.string("UTC"))
    return exp.cast(in_utc, "date")


@macro()
def days_shared(
    _evaluator: MacroEvaluator,
    start: exp.Expression,
    end: exp.Expression,
    other_start: exp.Expression,
    other_end: exp.Expression,
) -> exp.Expression:
    """Count the days that two half-open spans of dates share; 0 when they share none.

    No argument may be NULL: DuckDB's GREATEST and LEAST leave NULLs out, Trino's return NULL.
    """
    first = exp.Greatest(this=start.copy(), expressions=[other_start.copy()], ignore_nulls=False)
    last = exp.Least(this=end.copy(), expressions=[other_end.copy()], ignore_nulls=False)
    days = exp.DateDiff(this=last, expression=first, unit=exp.var("DAY"))
    return exp.Greatest(this=days, expressions=[exp.Literal.number(0)], ignore_nulls=False)

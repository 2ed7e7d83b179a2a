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

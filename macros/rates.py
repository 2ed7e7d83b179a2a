"""Rates that are the same number on every engine."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh import macro

if t.TYPE_CHECKING:
    from sqlmesh.core.macros import MacroEvaluator


@macro()
def ratio(_evaluator: MacroEvaluator, amount: exp.Expression, divisor: exp.Expression) -> exp.Expression:
    """Divide two exact numbers to a DOUBLE; NULL where the divisor is 0.

    One division of two doubles is rounded alike everywhere (IEEE 754). Decimals are not: engines
    disagree on the digits of their quotient.
    """
    part = exp.Nullif(this=divisor.copy(), expression=exp.Literal.number(0))
    return exp.Div(this=exp.cast(amount.copy(), "double"), expression=exp.cast(part, "double"))


@macro()
def whole_ratio(
    _evaluator: MacroEvaluator, amount: exp.Expression, divisor: exp.Expression
) -> exp.Expression:
    """Divide two whole numbers that are not negative to a BIGINT, rounded down; NULL where the divisor is 0.

    For sums of many quotients: doubles added up in another order give another sum, whole numbers don't. The
    remainder is taken off first, so that the division has none, whatever an engine's `/` makes of one.
    Exact up to 2^53.
    """
    part = exp.Nullif(this=divisor.copy(), expression=exp.Literal.number(0))
    rest = exp.Mod(this=exp.paren(amount.copy()), expression=part)
    whole = exp.Paren(this=exp.Sub(this=exp.paren(amount.copy()), expression=rest))
    return exp.cast(exp.Div(this=whole, expression=part.copy()), "bigint")

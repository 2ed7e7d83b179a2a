"""Sums of money that stay exact."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh import macro

if t.TYPE_CHECKING:
    from sqlmesh.core.macros import MacroEvaluator


@macro()
def money_sum(_evaluator: MacroEvaluator, amount: exp.Expression) -> exp.Expression:
    """Sum an amount with two decimals to DECIMAL(18, 2); no rows give 0.00.

    Engines disagree on the precision of a decimal sum; a column has one type on all of them. Eighteen
    digits hold ten quadrillion cents, more fails loudly.
    """
    total = exp.Coalesce(this=exp.Sum(this=amount.copy()), expressions=[exp.Literal.number(0)])
    return exp.cast(total, "decimal(18, 2)")

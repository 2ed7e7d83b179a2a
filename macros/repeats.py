"""Records that a sender repeated under the same idempotency key."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh import macro

if t.TYPE_CHECKING:
    from sqlmesh.core.macros import MacroEvaluator


@macro()
def first_of_repeats(_evaluator: MacroEvaluator, meta: exp.Expression) -> exp.Expression:
    """Be true for the first landed row of each idempotency key, and for every row without a key.

    For QUALIFY in a staging model: `QUALIFY @first_of_repeats(orders.meta)`. A repeat holds the same bytes,
    so it has the same event time and falls into the same interval as the row that it repeats.
    """
    key = _member(meta, "idempotency_key")
    coordinate = [_member(meta, name) for name in ("partition", "offset")]
    own = exp.Concat(
        expressions=[
            exp.cast(coordinate[0], "text"),
            exp.Literal.string(":"),
            exp.cast(coordinate[1], "text"),
        ],
        safe=False,
    )
    number = exp.Window(
        this=exp.RowNumber(),
        # Keys and coordinates are counted apart: a key may look like a coordinate.
        partition_by=[key.copy(), exp.Case().when(key.is_(exp.null()), own)],
        order=exp.Order(expressions=[exp.Ordered(this=part.copy()) for part in coordinate]),
    )
    return exp.EQ(this=number, expression=exp.Literal.number(1))


def _member(meta: exp.Expression, name: str) -> exp.Expression:
    return exp.Dot(this=meta.copy(), expression=exp.to_identifier(name))

"""Keys for rows that carry no key of their own."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh import macro

if t.TYPE_CHECKING:
    from sqlmesh.core.macros import MacroEvaluator


@macro()
def surrogate_key(_evaluator: MacroEvaluator, *fields: exp.Expression) -> exp.Expression:
    """Hash fields to 32 hexadecimal characters, so that different rows never share an encoding.

    Each field is written as its length, a colon and its text; NULL is written as `~`. A length starts
    with a digit, so ('a:b', 'c'), ('a', 'b:c') and ('a', NULL) stay apart, which a separator alone
    can't promise.
    """
    if not fields:
        raise ValueError("surrogate_key needs at least one field, e.g. @surrogate_key(basket_id, product_id)")
    encoded = [_encoded(field) for field in fields]
    return exp.MD5(this=encoded[0] if len(encoded) == 1 else exp.Concat(expressions=encoded, safe=False))


def _encoded(field: exp.Expression) -> exp.Expression:
    text = exp.cast(field.copy(), "text")
    size = exp.cast(exp.Length(this=text.copy()), "text")
    written = exp.Concat(expressions=[size, exp.Literal.string(":"), text], safe=False)
    return exp.Coalesce(this=written, expressions=[exp.Literal.string("~")])

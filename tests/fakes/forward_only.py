"""A model whose columns change in place, as it is at first and wider."""

from __future__ import annotations

from typing import Any

from tests.fakes.mesh import MeshProject

_FROM = "FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date"
_BASE = "day::DATE AS day, 'tag' AS tag, v::{n} AS n, v::DECIMAL({d}) AS d, {st} AS st{more}"
_ITEM = "[{{'a': 1}}]::STRUCT(a INT)[]"
_WIDER = "[{{'a': 1, 'b': 'z'}}]::STRUCT(a BIGINT, b TEXT)[]"
WIDE = {"n": "BIGINT", "d": "14, 2", "st": _WIDER, "more": ", 'x'::TEXT AS extra"}


def query(*, n: str = "INT", d: str = "10, 2", st: str = _ITEM, more: str = "") -> str:
    """Return the query of a model over one row, its columns of these types."""
    return f"SELECT {_BASE.format(n=n, d=d, st=st, more=more)} {_FROM}"


def columns(project: MeshProject, context: Any, model: str) -> dict[str, str]:
    """Return the columns of a model's table with their types."""
    return {f.name: str(f.field_type) for f in project.table(context, model).schema().fields}

"""What a publish on Trino makes beside a table, and takes away again."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from lake.errors import LakeError, first_line
from lake.log import get_logger

log = get_logger("mesh")


def drop_leftovers(adapter: Any, table: exp.Table, suffix: str) -> None:
    """Drop what an attempt made; what can't be dropped now is dropped when the attempt is settled."""
    try:
        adapter.run(exp.Drop(this=beside(table, f"after_{suffix}"), kind="VIEW", exists=True))
        for kind in ("stage", "copy"):
            adapter.run(exp.Drop(this=beside(table, f"{kind}_{suffix}"), kind="TABLE", exists=True))
    except LakeError as error:
        log.warning("stage.kept", table=table.sql("trino"), reason=first_line(error))


def beside(table: exp.Table, suffix: str) -> exp.Table:
    other = bare(table)
    other.set("this", exp.to_identifier(f"{table.name}__{suffix}", quoted=True))
    return other


def bare(table: Any) -> exp.Table:
    """Return a table's bare name: no alias, no column list."""
    found = table.this if isinstance(table, exp.Alias | exp.Schema) else table
    return exp.table_(found.this.copy(), db=found.args["db"].copy(), catalog=found.args.get("catalog"))

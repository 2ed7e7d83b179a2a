"""SQLMesh's names as people write them."""

from __future__ import annotations

from functools import lru_cache

from sqlglot import exp


@lru_cache(maxsize=4096)
def plain_name(fqn: str) -> str:
    """Return `schema.name` of `"lake"."schema"."name"`."""
    table = exp.to_table(fqn, dialect="duckdb")
    return f"{table.db}.{table.name}"

"""Compare the rows of every changed model between two environments, with SQLMesh's own table_diff."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lake.errors import BadInputError
from lake.mesh.context import WarmContext


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """A model's rows in two environments; rows are told apart by its grain."""

    model: str
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: tuple[str, ...]
    only_in_source: int
    only_in_target: int
    changed: int
    equal: int

    @property
    def same(self) -> bool:
        columns = (*self.columns_added, *self.columns_removed, *self.columns_retyped)
        return not columns and self.only_in_source == self.only_in_target == self.changed == 0


def diff_environments(
    warm: WarmContext, *, source: str, target: str, limit: int = 20, quiet: bool = False
) -> tuple[TableDifference, ...]:
    """Return a difference per model whose version differs in `target`; SQLMesh prints them unless quiet.

    Raises BadInputError when one of the environments doesn't exist.
    """
    with warm.use(quiet=quiet) as context, _statements_unsaid():
        for name in (source, target):
            if context.state_reader.get_environment(name) is None:
                raise BadInputError(f"there is no environment {name}", hint=f"lake plan {name}")
        found = context.table_diff(
            source,
            target,
            select_models={"*"},
            limit=limit,
            show=not quiet,
            warn_grain_check=True,
            skip_grain_check=True,
        )
        return tuple(sorted(map(_difference, found), key=lambda difference: difference.model))


@contextmanager
def _statements_unsaid() -> Iterator[None]:
    """Keep table_diff's statements off the terminal: it says them at the level that its own logger has."""
    logger = logging.getLogger("sqlmesh.core.context")
    before = logger.level
    logger.setLevel(logging.DEBUG)  # which nobody shows
    try:
        yield
    finally:
        logger.setLevel(before)


def _difference(found: Any) -> TableDifference:
    schema, rows = found.schema_diff(), found.row_diff(skip_grain_check=True)
    return TableDifference(
        model=f"{found.model_name or found.target}".removeprefix("lake."),
        columns_added=tuple(name for name, _ in schema.added),
        columns_removed=tuple(name for name, _ in schema.removed),
        columns_retyped=tuple(schema.modified),
        only_in_source=int(rows.s_only_count),
        only_in_target=int(rows.t_only_count),
        changed=int(rows.partial_match_count),
        equal=int(rows.full_match_count),
    )

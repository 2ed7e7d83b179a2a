"""Rules on where a model lives, how it is stored and what its columns are."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh.core.linter.rule import Rule, RuleViolation

from linter.scope import is_ours

if t.TYPE_CHECKING:
    from pathlib import Path

    from sqlmesh.core.model import Model

SCHEMA_OF_LAYER = {
    "staging": "staging",
    "intermediate": "intermediate",
    "marts": "analytics",
    "activation": "activation",
}


class NameFollowsFolder(Rule):
    """Folder, schema, file and name of a model agree (models/README.md)."""

    def check_model(self, model: Model) -> RuleViolation | None:
        path = model._path  # noqa: SLF001 - the rules of SQLMesh itself find the file this way
        if not is_ours(model) or path is None:
            return None
        expected = _expected_name(path.relative_to(self.context.path / "models"))
        if expected is None:
            return self.violation(f"{path.name} lies in no layer: models/{{{','.join(SCHEMA_OF_LAYER)}}}/.")
        if expected == f"{model.schema_name}.{model.view_name}":
            return None
        return self.violation(f"Call the model {expected}, and its file the same.")


class IncrementalIsPartitioned(Rule):
    """A model built by intervals is partitioned by its time column: an interval touches few files."""

    def check_model(self, model: Model) -> RuleViolation | None:
        if not is_ours(model) or not model.kind.is_incremental_by_time_range or model.time_column is None:
            return None
        if not model.partitioned_by_:
            return self.violation(f"Add partitioned_by (MONTH({model.time_column.column.name})).")
        columns = {column.name for by in model.partitioned_by_ for column in by.find_all(exp.Column)}
        return None if model.time_column.column.name in columns else self.violation()


class NoUntypedColumns(Rule):
    """Each column of the last SELECT is cast to its type, so that both engines build the same table."""

    def check_model(self, model: Model) -> RuleViolation | None:
        if not is_ours(model):
            return None
        query = model.query
        selects = query.selects if isinstance(query, exp.Query) else []
        untyped = [item.alias_or_name for item in selects if not isinstance(item.unalias(), exp.Cast)]
        return self.violation(f"Columns without a cast: {', '.join(untyped)}.") if untyped else None


def _expected_name(path: Path) -> str | None:
    """Give the name that a model has by its file, seen from models/; None outside the layers."""
    layer, *below = path.parts[:-1] or ("",)
    if layer not in SCHEMA_OF_LAYER:
        return None
    prefix = {"staging": f"stg_{'_'.join(below)}__", "intermediate": "int_"}.get(layer, "")
    stem = path.stem if path.stem.startswith(prefix) else f"{prefix}{path.stem}"
    return f"{SCHEMA_OF_LAYER[layer]}.{stem}"

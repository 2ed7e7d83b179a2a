"""Rules on what a model says about itself and how it is checked."""

from __future__ import annotations

import typing as t

from sqlmesh.core.linter.rule import Rule, RuleViolation

from linter.scope import is_ours

if t.TYPE_CHECKING:
    from sqlglot import exp
    from sqlmesh.core.model import Model


class NoMissingOwner(Rule):
    """A model names the team that answers for it: `owner retail_analytics`."""

    def check_model(self, model: Model) -> RuleViolation | None:
        return self.violation() if is_ours(model) and not model.owner else None


class NoMissingDescription(Rule):
    """A model says in a sentence what one row of it is: `description '…'`."""

    def check_model(self, model: Model) -> RuleViolation | None:
        return self.violation() if is_ours(model) and not model.description else None


class NoMissingColumnComments(Rule):
    """Each column of the last SELECT carries a comment: `x::BIGINT AS x, /* what it is, and its unit */`."""

    def check_model(self, model: Model) -> RuleViolation | None:
        if not is_ours(model):
            return None
        described = {name for name, text in model.column_descriptions.items() if text}
        missing = [name for name in model.columns_to_types or {} if name not in described]
        return self.violation(f"Columns without a comment: {', '.join(missing)}.") if missing else None


class GrainIsAudited(Rule):
    """A model has one grain of its own columns, and `unique_grain` audits exactly these, blocking."""

    def check_model(self, model: Model) -> RuleViolation | None:
        if not is_ours(model):
            return None
        grain = _names(model.grains)
        if not grain:
            return self.violation("The model has no grain: say which columns name one row.")
        unknown = sorted(grain - set(model.columns_to_types or {}))
        if unknown:
            return self.violation(
                f"The grain names columns that the model does not have: {', '.join(unknown)}."
            )
        if grain not in [_names([args["columns"]]) for args in _unique_grain_audits(model)]:
            return self.violation(f"Add unique_grain(columns := ({', '.join(sorted(grain))})) to the audits.")
        return None


class NoMissingSecondAudit(Rule):
    """A model is audited for more than its grain, by an audit other than `unique_grain`."""

    def check_model(self, model: Model) -> RuleViolation | None:
        if is_ours(model) and not {name for name, _ in model.audits} - {"unique_grain"}:
            return self.violation()
        return None


def _unique_grain_audits(model: Model) -> list[dict[str, exp.Expression]]:
    return [
        args
        for name, args in model.audits
        if name == "unique_grain" and "columns" in args and _is_blocking(args)
    ]


def _is_blocking(args: dict[str, exp.Expression]) -> bool:
    return "blocking" not in args or args["blocking"].sql().lower() == "true"


def _names(expressions: t.Iterable[exp.Expression]) -> frozenset[str]:
    return frozenset(
        item.name for expression in expressions for item in (expression.expressions or [expression.unnest()])
    )

"""What a plan changes, as values: for a person who decides, a pull request and a program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class How(StrEnum):
    """How a plan touches a model."""

    ADDED = "added"
    MODIFIED = "modified"
    INDIRECT = "indirectly modified"
    METADATA = "metadata only"
    REMOVED = "removed"
    RESTATED = "restated"
    CAUGHT_UP = "missing intervals"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """A column that comes, goes or changes its type; an empty type means that there is none."""

    column: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.column} {self.after}"
        if not self.after:
            return f"- {self.column} {self.before}"
        return f"{self.column} {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """One model of a plan; `start` and `end` bound the half-open time that is built, in `batches` publishes.

    `rows` and `seconds` are estimates from the model's past builds; None means that nobody knows.
    """

    model: str
    kind: str
    how: How
    category: str
    columns: tuple[ColumnChange, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    batches: int = 0
    rows: int | None = 0
    seconds: float | None = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Somebody outside of the models who reads a model that the plan touches."""

    reader: str
    model: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """One plan; `applied` says whether it went on, models stand upstream first."""

    plan_id: str
    environment: str
    applied: bool
    models: tuple[ModelChange, ...]
    affected: tuple[Affected, ...]

    @property
    def rows(self) -> int:
        """Rows of the models whose past is known."""
        return sum(model.rows or 0 for model in self.models)

    @property
    def seconds(self) -> float:
        """Seconds of work of the models whose past is known."""
        return round(sum(model.seconds or 0.0 for model in self.models), 1)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Models that are built and were never built before."""
        return tuple(model.model for model in self.models if model.batches and model.seconds is None)

    @property
    def changes(self) -> bool:
        return bool(self.models)

"""Rules that keep a model a function of its inputs."""

from __future__ import annotations

import typing as t

from sqlglot import exp
from sqlmesh.core.dialect import MacroVar
from sqlmesh.core.linter.rule import Rule, RuleViolation

from linter.scope import is_ours

if t.TYPE_CHECKING:
    from sqlmesh.core.model import Model

CLOCKS = (
    exp.CurrentDate,
    exp.CurrentDatetime,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.Localtime,
    exp.Localtimestamp,
)
CHANCE = (exp.Rand, exp.Randn, exp.Uuid, exp.TableSample)
BY_NAME = frozenset(
    {
        "now",
        "today",
        "get_current_timestamp",
        "get_current_time",
        "transaction_timestamp",
        "gen_random_uuid",
        "txid_current",
    }
)
BUILD_TIME = ("execution_", "latest_")


class NoClockNoChance(Rule):
    """A model reads neither clock nor chance: same inputs, same table, whenever it is built."""

    def check_model(self, model: Model) -> RuleViolation | None:
        query = model.query if is_ours(model) else None
        if not isinstance(query, exp.Query):
            return None
        found = sorted({said for node in query.walk() if (said := _not_replayable(node))})
        return self.violation(f"Not replayable: {', '.join(found)}.") if found else None


def _not_replayable(node: exp.Expression) -> str | None:
    if isinstance(node, CLOCKS + CHANCE):
        return node.sql(dialect="duckdb")
    if isinstance(node, exp.Anonymous) and node.name.lower() in BY_NAME:
        return node.sql(dialect="duckdb")
    if isinstance(node, MacroVar) and node.name.lower().startswith(BUILD_TIME):
        return f"@{node.name}"
    return None

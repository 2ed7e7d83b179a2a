"""Each audit of each model passes on rows as they should be and fails on rows as they must not be."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmesh.core.context import Context
    from sqlmesh.core.model import SqlModel

Row = dict[str, Any]

DAY = dt.date(2026, 4, 10)
NOON = dt.datetime(2026, 4, 10, 12, tzinfo=dt.UTC)

# What a row of a type looks like when nothing is wrong with it; a model that needs more says so in GOOD.
PLAIN: dict[str, Any] = {
    "BIGINT": 1,
    "INT": 1,
    "TEXT": "x",
    "VARCHAR": "x",
    "BOOLEAN": True,
    "DATE": DAY,
    "TIMESTAMPTZ": NOON,
    "DECIMAL": Decimal("1.00"),
    "DOUBLE": 1.0,
}
GOOD: dict[str, Row] = {
    "staging.stg_retail__product_versions": {"valid_to": NOON + dt.timedelta(days=1)},
    "staging.stg_retail__demographics": {"age_band": "65+"},
    "staging.stg_retail__campaign_descriptions": {"campaign_type": "Type A"},
    "analytics.household_value": {"tier": "gold"},
    "analytics.campaign_lift": {"others": 0},
    "staging.stg_retail__promotions": {"display_location": "3"},
    "analytics.basket_affinity": {
        "category_a": "BREAD",
        "category_b": "MILK",
        "baskets_together": 20,
        "baskets_with_a": 20,
        "baskets_with_b": 30,
        "all_baskets": 40,
    },
    "activation.household_value_tiers": {"tier": "gold"},
}
# Rows that break each criterion of a `forall`, one per criterion and in its order.
AGAINST: dict[str, list[Row]] = {
    "staging.stg_retail__product_versions": [{"valid_to": NOON}],
    "staging.stg_retail__campaign_descriptions": [{"end_date": DAY - dt.timedelta(days=1)}],
    "analytics.household_value": [
        {"frequency": 0},
        {"first_purchase_date": DAY + dt.timedelta(days=1)},
    ],
    "staging.stg_retail__promotions": [
        {"retail_week": 54},
        {"display_location": "0", "mailer_location": "0"},
    ],
    "analytics.promotion_effect": [{"compared_weeks": 2}],
    "analytics.basket_affinity": [
        {"category_a": "MILK"},
        {"baskets_together": 21},
        {"all_baskets": 29},
        {"lift": 0},
    ],
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One state of the lake for one audit: rows of the model, rows of the source or reference."""

    says: str
    rows: list[Row]
    other: list[Row] = field(default_factory=list)
    fails: bool = True


@dataclass(frozen=True, kw_only=True)
class Use:
    """An audit as a model uses it."""

    model: SqlModel
    position: int

    @property
    def name(self) -> str:
        return self.model.audits[self.position][0]

    @property
    def args(self) -> dict[str, exp.Expression]:
        return dict(self.model.audits_with_args[self.position][1])

    def columns(self, key: str = "columns") -> list[str]:
        return [item.name for item in self.args[key].expressions or [self.args[key].unnest()]]

    def nullable(self) -> list[str]:
        """Leave out the time column: a row without it lies in no interval, so no audit sees it."""
        return [name for name in self.columns() if name != self.clock]

    @property
    def clock(self) -> str | None:
        return self.model.time_column.column.name if self.model.time_column else None

    def good(self, **changes: Any) -> Row:
        types = self.model.columns_to_types_or_raise
        row = {name: PLAIN[kind.this.value] for name, kind in types.items()}
        return row | GOOD.get(self.model.name, {}) | changes

    def query(self, *, start: dt.date = DAY, end: dt.date = DAY) -> str:
        audit, _ = self.model.audits_with_args[self.position]
        args = {name: value for name, value in self.args.items() if name != "blocking"}
        return self.model.render_audit_query(audit, start=start, end=end, **args).sql("duckdb")


# -- what breaks each audit ------------------------------------------------------------------------------


def unique_grain(use: Use) -> Iterator[Case]:
    yield Case(says="one row per grain", rows=[use.good()], fails=False)
    yield Case(says="a repeated grain", rows=[use.good(), use.good()])
    for column in use.nullable():
        yield Case(says=f"no {column} in the grain", rows=[use.good(**{column: None})])


def not_null(use: Use) -> Iterator[Case]:
    yield Case(says="all there", rows=[use.good()], fails=False)
    for column in use.nullable():
        yield Case(says=f"no {column}", rows=[use.good(**{column: None})])


def not_negative(use: Use) -> Iterator[Case]:
    zeros = dict.fromkeys(use.columns(), 0)
    yield Case(says="nothing below zero", rows=[use.good(**zeros)], fails=False)
    for column in use.columns():
        yield Case(says=f"{column} below zero", rows=[use.good(**{column: -1})])


def accepted_values(use: Use) -> Iterator[Case]:
    (column,) = use.columns("column")
    for value in use.args["is_in"].expressions:
        yield Case(says=f"{column} {value}", rows=[use.good(**{column: value.name})], fails=False)
    yield Case(says="a value nobody knows", rows=[use.good(**{column: "unheard of"})])


def forall(use: Use) -> Iterator[Case]:
    against = AGAINST[use.model.name]
    criteria = use.args["criteria"]
    assert len(against) == len(criteria.expressions or [criteria])
    yield Case(says="all criteria hold", rows=[use.good()], fails=False)
    for changes in against:
        yield Case(says=f"{changes}", rows=[use.good(**changes)])


def row_count_between(use: Use) -> Iterator[Case]:
    yield Case(says="one row", rows=[use.good()], fails=False)
    yield Case(says="an empty table", rows=[])


def no_gaps_in_days(use: Use) -> Iterator[Case]:
    (column,) = use.columns("day_column")
    step = int(use.args["max_step"].name)
    for days, fails in ((step, False), (step + 1, True)):
        later = {column: DAY + dt.timedelta(days=days)}
        if use.clock not in {None, column}:
            later |= {use.clock: NOON + dt.timedelta(days=days)}
        yield Case(says=f"days {days} apart", rows=[use.good(), use.good(**later)], fails=fails)


def foreign_key_share(use: Use) -> Iterator[Case]:
    (column,), (key,) = use.columns("foreign_key"), use.columns("reference_key")
    share = float(use.args["max_share"].name)
    known, lost = use.good(**{column: 1}), use.good(**{column: 404})
    crowd = 99
    reference = [{key: 1}]
    yield Case(says="all known", rows=[known] * crowd, other=reference, fails=False)
    yield Case(says="known twice over", rows=[known], other=reference * 2, fails=False)
    yield Case(says="an empty reference", rows=[known], other=[])
    yield Case(says="1 of 100 lost", rows=[known] * crowd + [lost], other=reference, fails=share < 0.01)
    yield Case(says="2 of 101 lost", rows=[known] * crowd + [lost] * 2, other=reference)
    yield Case(says="no key at all", rows=[use.good(**{column: None})], other=reference)


def reconciles_with(use: Use) -> Iterator[Case]:
    row = use.good()
    same: Row = {"household_id": 1, "sold_date": DAY, "activity_date": DAY, "sales_value": Decimal("1.00")}
    same["coupon_upc"] = same["retail_week"] = 1
    open_day: Row = {"activity_date": DAY + dt.timedelta(days=1), "sales_value": Decimal(0)}
    yield Case(says="both sides equal", rows=[row], other=[same, *_beyond(use, open_day)], fails=False)
    yield Case(says="a row too few", rows=[row], other=[same, same, *_beyond(use, open_day)])
    yield Case(says="a row too many", rows=[row], other=_beyond(use, open_day))
    yield Case(says="the model is empty", rows=[], other=[same, *_beyond(use, open_day)])


def _beyond(use: Use, open_day: Row) -> list[Row]:
    """Add the day that isn't full yet where the audit leaves it out."""
    return [open_day] if use.model.name == "analytics.household_value" else []


VIOLATIONS: dict[str, Callable[[Use], Iterator[Case]]] = {
    check.__name__: check
    for check in (
        unique_grain,
        not_null,
        not_negative,
        accepted_values,
        forall,
        row_count_between,
        no_gaps_in_days,
        foreign_key_share,
        reconciles_with,
    )
}


# -- the tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audit", sorted(VIOLATIONS))
def test_an_audit_passes_on_good_rows_and_fails_on_bad_ones_on_every_model_that_uses_it(
    project: Context, audit: str
) -> None:
    """Every use of the audit is run on a small DuckDB, case by case."""
    uses = [use for use in _uses(project) if use.name == audit]
    wrong = [
        f"{use.model.name} {audit}: {case.says} should {'fail' if case.fails else 'pass'}"
        for use in uses
        for case in VIOLATIONS[audit](use)
        if _fails(project, use, case) is not case.fails
    ]

    assert uses
    assert wrong == []


def test_every_audit_of_every_model_has_a_way_to_fail(project: Context) -> None:
    """No model uses an audit that the test above does not break."""
    used = {use.name for use in _uses(project)}

    assert set(VIOLATIONS) == used


def test_every_audit_of_the_project_is_used(project: Context) -> None:
    """An audit in audits/ that no model uses guards nothing."""
    ours = {path.stem for path in (project.path / "audits").glob("*.sql")}

    assert ours <= {use.name for use in _uses(project)}


def _uses(project: Context) -> list[Use]:
    return [
        Use(model=model, position=position)
        for model in project.models.values()
        if not model.kind.is_external
        for position in range(len(model.audits_with_args))
    ]


def _fails(project: Context, use: Use, case: Case) -> bool:
    """Run the rendered audit over the rows of a case."""
    query = use.query(start=DAY, end=DAY + dt.timedelta(days=7))
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("ATTACH ':memory:' AS lake")
        _fill(connection, use.model, case.rows)
        source = use.args.get("source") or use.args.get("reference")
        if source is not None:
            _fill(connection, project.get_model(source.sql("duckdb"), raise_if_missing=True), case.other)
        return bool(connection.execute(query).fetchall())


def _fill(connection: duckdb.DuckDBPyConnection, model: SqlModel, rows: list[Row]) -> None:
    types = {name: kind.sql("duckdb") for name, kind in model.columns_to_types_or_raise.items()}
    columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS lake.{model.schema_name}")
    connection.execute(f"CREATE TABLE {model.fqn} ({columns})")
    for row in rows:
        names = [name for name in types if name in row]
        marks = ", ".join("?" for _ in names)
        connection.execute(
            f"INSERT INTO {model.fqn} ({', '.join(names)}) VALUES ({marks})", [row[name] for name in names]
        )

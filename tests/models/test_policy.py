"""What every model must say and carry, as lint rules; and proof that each rule can fail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlglot import ErrorLevel, exp, parse_one
from sqlmesh.core.dialect import parse
from sqlmesh.core.model import load_sql_based_model

if TYPE_CHECKING:
    from sqlmesh.core.context import Context
    from sqlmesh.core.linter.rule import Rule
    from sqlmesh.core.model import Model

FINE = """
MODEL (
  name analytics.shops,
  kind INCREMENTAL_BY_TIME_RANGE (time_column opened_on),
  owner retail_analytics,
  grain store_id,
  partitioned_by (MONTH(opened_on)),
  description 'Shops.',
  audits (
    unique_grain(columns := store_id),
    not_null(columns := opened_on)
  )
);

SELECT
  shops.store_id::BIGINT AS store_id, /* Shop */
  shops.opened_on::DATE AS opened_on /* First day */
FROM staging.shops AS shops
WHERE
  shops.opened_on BETWEEN @start_date AND @end_date
"""

# rule, what is changed in FINE, and into what
BROKEN = [
    ("nomissingowner", "  owner retail_analytics,\n", ""),
    ("nomissingdescription", "  description 'Shops.',\n", ""),
    ("nomissingcolumncomments", " /* First day */", ""),
    ("grainisaudited", "  grain store_id,\n", ""),
    ("grainisaudited", "grain store_id", "grain (store_id, opened_on)"),
    ("grainisaudited", "grain store_id", "grain shop_id"),
    ("grainisaudited", "unique_grain(columns := store_id)", "unique_grain(columns := opened_on)"),
    ("grainisaudited", "columns := store_id)", "columns := store_id, blocking := FALSE)"),
    ("nomissingsecondaudit", ",\n    not_null(columns := opened_on)", ""),
    ("namefollowsfolder", "analytics.shops", "marts.shops"),
    ("namefollowsfolder", "analytics.shops", "analytics.shop_list"),
    ("incrementalispartitioned", "  partitioned_by (MONTH(opened_on)),\n", ""),
    ("nountypedcolumns", "shops.store_id::BIGINT AS", "shops.store_id AS"),
    ("noclocknochance", "BETWEEN @start_date AND @end_date", "< CURRENT_DATE"),
    ("noclocknochance", "BETWEEN @start_date AND @end_date", "< @execution_date"),
    ("noclocknochance", "shops.store_id::BIGINT AS", "(shops.store_id * RANDOM())::BIGINT AS"),
    ("noclocknochance", "BETWEEN @start_date AND @end_date", "< NOW()"),
    ("noclocknochance", "BETWEEN @start_date AND @end_date", "< TODAY()"),
    ("noclocknochance", "shops.store_id::BIGINT AS", "UUID()::TEXT AS"),
]
BUILT_IN = {
    "ambiguousorinvalidcolumn",
    "invalidselectstarexpansion",
    "noambiguousprojections",
    "nomissingaudits",
    "nomissingexternalmodels",
    "nomissingunittest",
    "noselectstar",
}


def test_every_model_keeps_every_rule(project: Context) -> None:
    """The project lints clean with all rules on, SQLMesh's own included."""
    violations = project.lint_models(raise_on_error=False)

    assert [f"{found.model.name}: {found.rule.name}: {found.violation_msg}" for found in violations] == []


def test_every_rule_of_ours_is_broken_below(project: Context) -> None:
    """A rule that no case breaks would prove nothing."""
    assert {rule for rule, _, _ in BROKEN} == {rule.name for rule in _ours(project)}


def test_a_model_that_keeps_the_rules_violates_none(project: Context) -> None:
    """The model that the cases below break is fine as it stands."""
    assert set() == _violated(project, FINE)


@pytest.mark.parametrize(("rule", "was", "becomes"), BROKEN)
def test_a_rule_fails_on_a_model_that_breaks_it(project: Context, rule: str, was: str, becomes: str) -> None:
    """One change to a fine model violates exactly the rule that forbids it."""
    assert was in FINE

    assert {rule} == _violated(project, FINE.replace(was, becomes))


def test_a_model_outside_the_layers_is_refused(project: Context) -> None:
    """A file below models/ that lies in no layer's folder has no name that would be right."""
    assert {"namefollowsfolder"} == _violated(project, FINE, folder="models/misc")


def test_staging_and_intermediate_models_carry_their_prefix(project: Context) -> None:
    """A file without its prefix is refused even if model and file agree."""
    renamed = FINE.replace("analytics.shops", "staging.shops")

    assert {"namefollowsfolder"} == _violated(project, renamed, folder="models/staging/retail")
    right = renamed.replace("staging.shops,", "staging.stg_retail__shops,")
    assert set() == _violated(project, right, folder="models/staging/retail", file="stg_retail__shops")


def test_an_incremental_model_is_not_partitioned_by_something_else(project: Context) -> None:
    """Partitions that ignore the time column make every interval touch every file."""
    model = _model(project, FINE)
    elsewhere = model.copy(update={"partitioned_by_": [model.grains[0].copy()]})

    assert {"incrementalispartitioned"} == _violated_by(project, elsewhere)


# For streams that come over HTTP, as docs/gateway.md shows; the demo's come from a replayer. Its own test:
# tests/macros/test_repeats.py.
OFFERED = {"first_of_repeats"}


def test_every_macro_is_used_by_a_model(project: Context) -> None:
    """A macro that no model calls is code without a purpose."""
    text = "\n".join(path.read_text() for path in (project.path / "models").rglob("*.sql"))
    called = {name.lower() for name in re.findall(r"@(\w+)\(", text)}
    ours = {
        name
        for path in (project.path / "macros").glob("*.py")
        for name in re.findall(r"^@macro\(\)\ndef (\w+)\(", path.read_text(), flags=re.MULTILINE)
    }

    assert ours
    assert ours - OFFERED <= called


def test_every_query_and_audit_can_be_written_for_trino(project: Context) -> None:
    """Nothing that Trino lacks, and no function that has no counterpart there."""
    interval = {"start": "2026-04-01", "end": "2026-04-02"}
    wrong = {}
    for model in project.models.values():
        if model.kind.is_external:
            continue
        queries = [model.render_query_or_raise(**interval)]
        for audit, args in model.audits_with_args:
            plain = {name: value for name, value in args.items() if name != "blocking"}
            queries.append(model.render_audit_query(audit, **interval, **plain))
        for query in queries:
            unknown = [node.name for node in query.find_all(exp.Anonymous)]
            written = query.sql("trino", unsupported_level=ErrorLevel.RAISE)
            parse_one(written, dialect="trino", error_level=ErrorLevel.RAISE)
            if unknown or "QUALIFY" in written:
                wrong[model.name] = unknown or written

    assert wrong == {}


def _violated(
    project: Context, sql: str, *, folder: str = "models/marts/shops", file: str = "shops"
) -> set[str]:
    return _violated_by(project, _model(project, sql, folder=folder, file=file))


def _model(project: Context, sql: str, *, folder: str = "models/marts/shops", file: str = "shops") -> Model:
    path = project.path / folder / f"{file}.sql"
    return load_sql_based_model(
        parse(sql, default_dialect="duckdb"),
        path=path,
        module_path=project.path,
        dialect="duckdb",
        default_catalog="lake",
        audit_definitions=project._audits,
    )


def _violated_by(project: Context, model: Model) -> set[str]:
    """Name the rules of ours that a model violates; SQLMesh's own have tests of their own."""
    return {found.rule.name for rule in _ours(project) if (found := rule(project).check_model(model))}


def _ours(project: Context) -> list[type[Rule]]:
    (linter,) = project._linters.values()
    return [linter.rules[name] for name in linter.rules if name not in BUILT_IN]

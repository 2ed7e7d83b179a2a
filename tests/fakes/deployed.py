"""Versions of a contract, and deploying them as the command does."""

from __future__ import annotations

from ingest.deploy.apply import apply_deploy, read_standings
from ingest.deploy.history import read_history
from ingest.deploy.plan import Kind, plan_deploy
from ingest.deploy.review import review
from ingest.deploy.views import put_union
from lake.catalog import LakeCatalog, open_catalog
from lake.clock import SystemClock
from lake.contracts import Contract, parse_contract
from lake.settings import Settings

_WEEK = "logicalTypeOptions: {format: i32, minimum: 1, maximum: 53}"
_LAST = "      - name: transaction_timestamp"
WIDER = (
    (_WEEK, _WEEK.replace("i32", "i64")),
    ("physicalType: decimal(12,2)", "physicalType: decimal(14,2)"),
    (_LAST, f"      - name: till\n        description: Till.\n        logicalType: string\n{_LAST}"),
)
_DOLLARS = """\
        logicalType: number
        physicalType: decimal(12,2)
        logicalTypeOptions: {minimum: 0}
"""
_CENTS = """\
        logicalType: integer
        logicalTypeOptions: {format: i64, minimum: 0}
        customProperties:
          - property: migration
            value: CAST(sales_value * 100 AS BIGINT)
"""


def version(contract: Contract, *edits: tuple[str, str], number: str = "1.1.0") -> Contract:
    """Return the contract with texts of its file replaced, as another version."""
    text = contract.text.replace(f"version: {contract.version}", f"version: {number}")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_contract(text)


def majors(contract: Contract) -> tuple[Contract, Contract]:
    """Return the contract and a second major version of it, in which the money of a line is in cents."""
    second = version(
        contract,
        ("      - name: sales_value\n", "      - name: sales_cents\n"),
        (_DOLLARS, _CENTS),
        ("value: transactions-value", "value: transactions-v2"),
        number="2.0.0",
    )
    return contract, second


def deploy(
    settings: Settings, contract: Contract, *others: Contract, catalog: LakeCatalog | None = None
) -> Kind:
    """Deploy one contract among those of the project, as the command does."""
    shared = catalog or open_catalog(settings)
    contracts = (contract, *others)
    history = read_history(settings.postgres)
    (reviewed,) = (r for r in review(contracts, history) if r.contract is contract)
    standings = read_standings(shared, settings, {c.stream: c for c in contracts})
    recorded = any(c.version == contract.version for c in history.get(contract.stream, ()))
    plan = plan_deploy(contract, contracts, reviewed.verdict, standings, recorded=recorded)
    apply_deploy(shared, settings, plan, standings, SystemClock())
    put_union(shared, settings.landing, contract, contracts)
    return plan.kind

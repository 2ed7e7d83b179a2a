"""Keep the rows that an audit found: at most 100, as JSON, personal data masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from lake.control import EVIDENCE_ROWS
from lake.errors import ConfigurationError
from lake.log import get_logger
from lake.settings import Project

log = get_logger("mesh")

MASK = "***"
_KEPT_TEXT = 500


def personal_columns(project: Project) -> frozenset[str] | None:
    """Return the column names that a contract of the project tags as personal data.

    None when the contracts can't be read: then nobody knows, and everything is masked.
    """
    if not project.contracts.is_dir():
        return frozenset()
    from lake.contracts import load_contracts  # noqa: PLC0415  slow to load, and few audits fail

    try:
        contracts = load_contracts(project.contracts)
    except ConfigurationError as error:
        log.warning("evidence.masked_whole", reason=error.message)
        return None
    paths = (path for contract in contracts for path in contract.pii)
    return frozenset(part.lower() for path in paths for part in path.split("."))


def as_rows(
    columns: Sequence[str], values: Iterable[Sequence[Any]], personal: frozenset[str] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows as JSON values and the names of the columns that were masked."""
    masked = [c for c in columns if personal is None or c.lower() in personal]
    rows = [
        {c: MASK if c in masked and v is not None else _plain(v) for c, v in zip(columns, row, strict=True)}
        for _, row in zip(range(EVIDENCE_ROWS), values, strict=False)
    ]
    return rows, masked


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)[:_KEPT_TEXT]

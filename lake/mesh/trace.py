"""From a snapshot of a table to what made it: model, version, interval, run, plan and audits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlglot

from lake.catalog.open import open_catalog
from lake.catalog.published import published
from lake.catalog.tables import TableState, load_table
from lake.control.history_log import read_origin_of_snapshot
from lake.errors import BadInputError
from lake.mesh.lookup import CatalogViews
from lake.mesh.resolve import inline_views, tables_read
from lake.mesh.travel import DIALECT
from lake.settings import Settings
from lake.types import CATALOG, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOutcome:
    audit: str
    blocking: bool
    status: str
    failing: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What published a snapshot; `recorded` is False for commits of landing or maintenance.

    A rewrite of files changes no row: it is traced to the snapshot whose rows it has.
    """

    table: str
    snapshot: int
    at: datetime
    recorded: bool
    model: str = ""
    fingerprint: str = ""
    interval_start: datetime | None = None
    interval_end: datetime | None = None
    rows: int | None = None
    seconds: float | None = None
    engine: str = ""
    attempt: str = ""
    run: str = ""
    run_kind: str = ""
    environment: str = ""
    actor: str = ""
    plan: str = ""
    audits: tuple[AuditOutcome, ...] = ()


def trace(settings: Settings, name: str, *, snapshot: int | None = None) -> tuple[Trace, ...]:
    """Return the origin of one snapshot of each table beneath a name; of what readers see now by default.

    Raises BadInputError for a name or snapshot that isn't there.
    """
    catalog = open_catalog(settings)
    asked = _parsed(name)
    query = sqlglot.parse_one(f"SELECT * FROM {CATALOG}.{asked}", dialect=DIALECT)  # noqa: S608  a checked name
    found = []
    for table in sorted(tables_read(inline_views(query, CatalogViews(catalog)))):
        state = load_table(catalog, table)
        if state is None:
            raise BadInputError(f"there is no table {table}", hint="lake sql --help")
        if (one := _of_table(settings, state, snapshot)) is not None:
            found.append(one)
    if not found:
        which = f"snapshot {snapshot}" if snapshot is not None else "snapshot at all"
        raise BadInputError(
            f"{asked} has no {which} that was published and is kept", hint=f"lake trace {asked}"
        )
    return tuple(found)


def _parsed(name: str) -> TableName:
    try:
        return TableName.parse(name)
    except ValueError as error:
        raise BadInputError(str(error), hint="lake trace analytics.household_value") from error


def _of_table(settings: Settings, state: TableState, snapshot: int | None) -> Trace | None:
    past = published(state)
    asked = (n for n in reversed(range(len(past))) if snapshot is None or int(past[n].id) == snapshot)
    if (place := next(asked, None)) is None:
        return None
    # A rewrite of files has the rows of the snapshot before it.
    entry = next((e for e in reversed(past[: place + 1]) if not e.rewrite), past[place])
    origin = read_origin_of_snapshot(settings.postgres, str(state.name), int(entry.id))
    facts: dict[str, Any] = {"table": str(state.name), "snapshot": int(entry.id), "at": entry.at}
    if origin is None:
        return Trace(recorded=False, **facts)
    return Trace(
        recorded=True,
        model=origin["model"],
        fingerprint=origin["fingerprint"],
        interval_start=origin["interval_start"],
        interval_end=origin["interval_end"],
        rows=origin["rows"],
        seconds=origin["seconds"],
        engine=origin["engine"],
        attempt=str(origin["attempt_id"] or ""),
        run=str(origin["run_id"] or ""),
        run_kind=origin["run_kind"] or "",
        environment=origin["environment"] or "",
        actor=origin["actor"] or "",
        plan=origin["plan_id"] or "",
        audits=tuple(AuditOutcome(**audit) for audit in origin["audits"]),
        **facts,
    )

"""All care for one table in the order in which each step helps the next: compact, expire, sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lake.catalog import LakeCatalog, load_table
from lake.catalog.expire import expire_snapshots
from lake.catalog.inventory import folders as read_folders
from lake.catalog.retention import landing_retention
from lake.clock import Clock, Deadline
from lake.errors import HistoryError
from lake.maintenance.compact import Compacted, CompactPolicy, compact
from lake.maintenance.sweep import SweepPolicy, Swept, sweep
from lake.types import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePolicy:
    """What care does at most; the parts have policies of their own."""

    seconds: float = 600.0
    compact: CompactPolicy = field(default_factory=CompactPolicy)
    sweep: SweepPolicy = field(default_factory=SweepPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What was done for one table; `swept` is None where its files were not looked at."""

    table: str
    compacted: Compacted
    expired: int
    swept: Swept | None


def care_for(
    catalog: LakeCatalog,
    name: TableName,
    *,
    clock: Clock,
    policy: CarePolicy | None = None,
    folders: Mapping[str, str] | None = None,
    sweeps: bool = True,
) -> Care:
    """Care for one table of landing; safe beside its writer, to repeat and to kill at any moment.

    Tables of models are tidied by their publish and keep other snapshots: of them only the files that
    nothing reaches are swept. `folders` spares looking all locations up again.
    Raises the errors of the parts; what was done before stays done.
    """
    policy, landing = policy or CarePolicy(), catalog.lake_settings.landing
    deadline = Deadline.after(policy.seconds, clock)
    compacted, expired = Compacted(), 0
    if name.schema in {landing.raw_schema, landing.quarantine_schema}:
        retention = landing_retention(landing)
        compacted = compact(catalog, name, deadline=deadline, policy=policy.compact, retain=retention)
        state = load_table(catalog, name)
        if state is None:
            raise HistoryError(f"there is no table {name}", hint="lake status")
        expired = expire_snapshots(catalog, state, retention, deadline=deadline)
    swept = None
    if sweeps:
        known = read_folders(catalog) if folders is None else folders
        swept = sweep(catalog, name, folders=known, clock=clock, policy=policy.sweep)
    return Care(table=str(name), compacted=compacted, expired=expired, swept=swept)

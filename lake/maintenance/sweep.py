"""Delete files that nothing reaches: of expired snapshots, of commits that never landed, of old metadata.

1. List the table's folder, then load the table and read what it reaches. In that order: a file that is
   committed in between is reached by the newer metadata. The listing must show what the table reached
   before, or nothing is deleted: storage and metadata then write paths differently.
2. A file that nothing reaches and that is older than a day is condemned: written down with the moment.
   Younger ones may belong to a commit that is under way.
3. A file that was condemned a day ago and still is reached by nothing is deleted. A reader that opened the
   last snapshot of it had that day to end.

A table whose folder holds, or lies in, another table's folder is left alone: its files can't be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lake.catalog import LakeCatalog, load_table
from lake.catalog.inventory import (
    StoredFile,
    delete_files,
    folder_of,
    plain_path,
    reachable_files,
    stored_files,
)
from lake.clock import Clock
from lake.control.condemned import condemn, pardon, read_condemned
from lake.errors import HistoryError, RefusedError
from lake.log import get_logger
from lake.types import TableName

log = get_logger("maintenance")

_AT_ONCE = 5_000  # files deleted by one sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPolicy:
    """How old a file is at least, and how long it was condemned, before it is deleted."""

    age: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What a sweep does with the files that it found."""

    condemn: Mapping[str, int]  # path to bytes
    delete: tuple[str, ...]
    pardon: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep did; `waiting` are condemned and stay for a while."""

    files: int
    unreachable: int
    waiting: int
    deleted: int
    deleted_bytes: int


def plan_sweep(
    files: Mapping[str, StoredFile],
    reachable: frozenset[str],
    condemned: Mapping[str, datetime],
    *,
    policy: SweepPolicy,
    now: datetime,
) -> SweepPlan:
    """Decide; a file that anything reaches, or that is young, is never condemned and never deleted."""
    lost = {
        path: file
        for path, file in files.items()
        if path not in reachable and file.modified_at <= now - policy.age
    }
    doomed = tuple(
        path for path in sorted(lost) if path in condemned and condemned[path] <= now - policy.grace
    )
    return SweepPlan(
        condemn={path: file.bytes for path, file in lost.items() if path not in condemned},
        delete=doomed[:_AT_ONCE],
        pardon=tuple(path for path in condemned if path not in lost),
    )


def sweep(
    catalog: LakeCatalog,
    name: TableName,
    *,
    folders: Mapping[str, str],
    clock: Clock,
    policy: SweepPolicy | None = None,
) -> Swept:
    """Sweep one table; `folders` are the locations of all tables of the catalog.

    Raises RefusedError when the table's folder is shared, HistoryError when there is no such table,
    UnavailableError when catalog, storage or PostgreSQL don't answer.
    """
    policy, postgres = policy or SweepPolicy(), catalog.lake_settings.postgres
    before = load_table(catalog, name)
    if before is None:
        raise HistoryError(f"there is no table {name}", hint="lake status")
    check_alone(name, folder_of(before), folders)
    reached = reachable_files(before)
    files = {file.path: file for file in stored_files(before)}  # 1
    _check_listing(name, folder_of(before), reached, files)
    state = load_table(catalog, name)
    if state is None or state.uuid != before.uuid:
        raise HistoryError(f"{name} was dropped or replaced during the sweep", hint="run it again")
    reachable = reached | (reachable_files(state) if state.main != before.main else frozenset())
    condemned = read_condemned(postgres, state.uuid)
    plan = plan_sweep(files, reachable, condemned, policy=policy, now=clock.now())
    condemn(postgres, state.uuid, plan.condemn, clock.now())  # 2
    deleted = delete_files(state, plan.delete)  # 3
    pardon(postgres, state.uuid, [*plan.pardon, *plan.delete])
    swept = Swept(
        files=len(files),
        unreachable=len(files.keys() - reachable),
        waiting=len(condemned) + len(plan.condemn) - len(plan.pardon) - len(plan.delete),
        deleted=deleted,
        deleted_bytes=sum(files[path].bytes for path in plan.delete),
    )
    log.info("table.swept", table=str(name), deleted=deleted, waiting=swept.waiting)
    return swept


def _check_listing(
    name: TableName, folder: str, reached: frozenset[str], files: Mapping[str, StoredFile]
) -> None:
    below = {path for path in reached if path.startswith(f"{plain_path(folder)}/")}
    # Old metadata files may be gone: some catalogs delete them themselves.
    unseen = {path for path in below if not path.endswith(".json")} - files.keys()
    if unseen:
        raise RefusedError(
            f"{name}: {len(unseen)} files that the table reaches are not in the listing of its folder,"
            f" {min(unseen)} for example: nothing is deleted",
            hint="find out whether the file is lost; lake status shows whether storage answers",
        )


def check_alone(name: TableName, folder: str, folders: Mapping[str, str]) -> None:
    """Raise RefusedError when another table has files in this table's folder, or this one in another's."""
    for other, place in folders.items():
        if other == str(name):
            continue
        if f"{place}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{place}/"):
            raise RefusedError(
                f"{name} shares its folder {folder} with {other}: nothing is deleted",
                hint="copy one of the two into a table of its own",
            )

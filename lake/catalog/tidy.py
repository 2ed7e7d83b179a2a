"""Keep a table's files few and free of dead rows: what is worth rewriting, and the rewriting of it.

Engines that delete merge-on-read leave the old rows in place: a table replaced a hundred times is a
hundred times its size to read. A file without a live row is dropped from the table without reading
it; small files and files with many dead rows are written anew, partition by partition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import FileScanTask

from lake.catalog.commits import Conflict, Landed
from lake.catalog.errors import mapped
from lake.catalog.files import WrittenFile, write_files
from lake.catalog.live_files import LiveFile, LiveFiles, PartitionKey, read_live_files
from lake.catalog.open import LakeCatalog
from lake.catalog.rewrite import Rewrite, rewrite
from lake.catalog.tables import TableState
from lake.clock import Deadline

_MEGABYTE = 1024 * 1024
_MANY_MANIFESTS = 32  # each is a request when a query is planned


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyPolicy:
    """When rewriting is worth it, and how much of it at a time."""

    small_bytes: int = 8 * _MEGABYTE
    small_files: int = 8  # of one partition, before they are put together
    dead_share: float = 0.25  # of a file's rows, before it is written anew
    delete_files: int = 8  # for one data file, before it is written anew
    bytes_at_once: int = 32 * _MEGABYTE  # read in one go; a larger group is left to maintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyPlan:
    """`dead` go without being read; each group of files is read and written as one."""

    dead: tuple[LiveFile, ...]
    groups: tuple[tuple[LiveFile, ...], ...]

    @property
    def remove(self) -> frozenset[str]:
        """Return every path that goes."""
        gone = [*self.dead, *(file for group in self.groups for file in group)]
        return frozenset(path for file in gone for path in (file.path, *file.deletes))


def plan_tidy(live: LiveFiles, policy: TidyPolicy, *, spec_id: int) -> TidyPlan:
    """Choose; partitions whose delete files are for several data files are left alone.

    A table with equality deletes is left alone as a whole: those are for files that nobody lists.
    """
    if live.equality:
        return TidyPlan(dead=(), groups=())
    own = [file for file in live.files if file.partition not in live.shared]
    by_partition: dict[PartitionKey, list[LiveFile]] = defaultdict(list)
    for file in own:
        if not file.dead and file.partition[0] == spec_id:
            by_partition[file.partition].append(file)
    groups, budget = [], policy.bytes_at_once
    for files in by_partition.values():
        group = _worth_it(files, policy)
        size = sum(file.bytes for file in group)
        if group and size <= budget:
            groups.append(group)
            budget -= size
    return TidyPlan(dead=tuple(file for file in own if file.dead), groups=tuple(groups))


def tidy(
    catalog: LakeCatalog,
    state: TableState,
    *,
    deadline: Deadline,
    policy: TidyPolicy | None = None,
    retain: int | None = None,
) -> Landed | Conflict | None:
    """Rewrite what is worth it in one commit; None when nothing is.

    A Conflict means that somebody else moved main first: the next call sees what they left.
    """
    live = read_live_files(state)
    plan = plan_tidy(live, policy or TidyPolicy(), spec_id=state.handle.metadata.default_spec_id)
    if not plan.remove and len(live.manifests) <= _MANY_MANIFESTS:
        return None
    change = Rewrite(remove=plan.remove, add=_written(state, live, plan.groups))
    return rewrite(catalog, state, live, change, deadline=deadline, retain=retain)


def _worth_it(files: list[LiveFile], policy: TidyPolicy) -> tuple[LiveFile, ...]:
    chosen = {
        file.path: file
        for file in files
        if file.deleted > policy.dead_share * file.rows or len(file.deletes) >= policy.delete_files
    }
    small = [file for file in files if file.bytes < policy.small_bytes]
    if len(small) >= policy.small_files:
        chosen |= {file.path: file for file in small}
    return tuple(chosen.values())


def _written(
    state: TableState, live: LiveFiles, groups: Iterable[tuple[LiveFile, ...]]
) -> tuple[WrittenFile, ...]:
    """Read each group's live rows and write them as the table would have them now."""
    written: list[WrittenFile] = []
    for group in groups:
        written += write_files(state, read_live_rows(state, live, group))
    return tuple(written)


def read_live_rows(state: TableState, live: LiveFiles, files: Iterable[LiveFile]) -> pa.Table:
    """Return the rows of some data files with their deletes applied."""
    # It loads pandas, which every plan would wait for.
    from pyiceberg.io.pyarrow import ArrowScan  # noqa: PLC0415

    handles = {e.data_file.file_path: e.data_file for _, entries in live.manifests for e in entries}
    tasks = [
        FileScanTask(handles[file.path], delete_files={handles[path] for path in file.deletes})
        for file in files
    ]
    table = state.handle
    with mapped(f"read {state.name}"):
        return ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_table(tasks)

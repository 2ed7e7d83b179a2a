"""Put the small files of quiet partitions together while others go on writing; no row changes.

1. Read which files main consists of. Quiet are those that were added long enough ago.
2. Per partition, choose groups of small quiet files that fit into one file of the target size.
3. Write each group's live rows into a new file, read it back, compare count and hash of the rows.
4. Commit one `replace` snapshot on exactly that main.
5. Conflict: the stream's writer was first. Where a group's files are still live, with the same deletes,
   the same new file replaces them on top of the new main; other groups are given up, and their new files
   are swept some day. Repeat until the deadline ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lake.catalog import Conflict, LakeCatalog, TableState, WrittenFile, load_table
from lake.catalog.live_files import LiveFile, LiveFiles, PartitionKey, read_live_files
from lake.catalog.pack import pack_files
from lake.catalog.retention import Retention
from lake.catalog.rewrite import Rewrite, rewrite
from lake.clock import Deadline
from lake.log import get_logger
from lake.types import TableName

log = get_logger("maintenance")

_MEGABYTE = 1024 * 1024
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactPolicy:
    """What is worth rewriting, and how much of it at a time."""

    target_bytes: int = 128 * _MEGABYTE
    quiet: timedelta = timedelta(hours=1)
    open_files: int = 16  # of a partition that is still written, before they are put together
    closed_files: int = 2  # of one that is not
    bytes_at_once: int = 512 * _MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """How many files became how many; `given_up` are groups that others changed meanwhile."""

    before: int = 0
    after: int = 0
    bytes: int = 0
    given_up: int = 0


Group = tuple[LiveFile, ...]


def quiet_sequence(state: TableState, before: datetime) -> int:
    """Return the sequence number up to which commits were made before that moment."""
    snapshots = state.handle.metadata.snapshots
    old = [s.sequence_number or 0 for s in snapshots if s.timestamp_ms <= before.timestamp() * 1000]
    # Without an old one, whatever the expired snapshots added is older than the oldest that is kept.
    return max(old) if old else 0


def plan_compaction(
    live: LiveFiles, policy: CompactPolicy, *, spec_id: int, quiet_until: int
) -> tuple[Group, ...]:
    """Choose groups of at least two files that fit into one, in the order in which they were added.

    Partitions with delete files for several data files, and tables with equality deletes, are left alone.
    """
    if live.equality:
        return ()
    by_partition: defaultdict[PartitionKey, list[LiveFile]] = defaultdict(list)
    for file in sorted(live.files, key=lambda f: (f.sequence, f.path)):
        if file.partition[0] == spec_id and file.partition not in live.shared:
            by_partition[file.partition].append(file)
    groups: list[Group] = []
    budget = policy.bytes_at_once
    for files in by_partition.values():
        is_closed = all(file.sequence <= quiet_until for file in files)
        least = max(2, policy.closed_files if is_closed else policy.open_files)
        for group in _bins((f for f in files if f.sequence <= quiet_until), policy.target_bytes):
            size = sum(file.bytes for file in group)
            if len(group) >= least and size <= budget:
                groups.append(group)
                budget -= size
    return tuple(groups)


def _bins(files: Iterable[LiveFile], target: int) -> Iterable[Group]:
    """Cut files, in their order, into groups of at most the target; large ones stay as they are."""
    group: list[LiveFile] = []
    size = 0
    for file in files:
        if 4 * file.bytes >= 3 * target:
            continue
        if group and size + file.bytes > target:
            yield tuple(group)
            group, size = [], 0
        group.append(file)
        size += file.bytes
    if group:
        yield tuple(group)


def compact(
    catalog: LakeCatalog,
    name: TableName,
    *,
    deadline: Deadline,
    policy: CompactPolicy | None = None,
    retain: Retention | int | None = None,
) -> Compacted:
    """Compact one table as far as the policy's bounds go; a table that isn't there has nothing to do.

    Raises UnavailableError, OutcomeUnknownError (repeat it: what landed is seen) or TerminalError when
    written rows differ from what was read. The table is as it was then.
    """
    policy = policy or CompactPolicy()
    state = load_table(catalog, name)
    if state is None or state.main is None:
        return Compacted()
    live = read_live_files(state)  # 1
    groups = plan_compaction(  # 2
        live,
        policy,
        spec_id=state.handle.metadata.default_spec_id,
        quiet_until=quiet_sequence(state, deadline.clock.now() - policy.quiet),
    )
    packed: list[tuple[Group, WrittenFile | None]] = []
    for group in groups:
        if deadline.expired():
            break
        packed.append((group, pack_files(state, live, group)))  # 3
    return _commit(catalog, state, live, packed, deadline=deadline, retain=retain)


def _commit(
    catalog: LakeCatalog,
    state: TableState,
    live: LiveFiles,
    packed: Sequence[tuple[Group, WrittenFile | None]],
    *,
    deadline: Deadline,
    retain: Retention | int | None,
) -> Compacted:
    attempt, wanted = 0, len(packed)
    while packed:
        change = Rewrite(
            remove=frozenset(path for group, _ in packed for f in group for path in (f.path, *f.deletes)),
            add=tuple(file for _, file in packed if file is not None),
        )
        outcome = rewrite(catalog, state, live, change, deadline=deadline, retain=retain)  # 4
        if not isinstance(outcome, Conflict):
            done = Compacted(
                before=sum(len(group) for group, _ in packed),
                after=len(change.add),
                bytes=sum(file.bytes for file in change.add),
                given_up=wanted - len(packed),
            )
            log.info("table.compacted", table=str(state.name), before=done.before, after=done.after)
            return done
        log.info("commit.conflict", table=str(state.name), attempt=attempt)
        deadline.pause(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        if deadline.expired():
            break
        attempt += 1
        if outcome.state.handle.metadata.default_spec_id != state.handle.metadata.default_spec_id:
            break  # partitioned anew: the files are cut by what holds no more
        state = outcome.state  # 5
        live = read_live_files(state)
        packed = [(group, file) for group, file in packed if _is_still(live, group)]
    return Compacted(given_up=wanted)


def _is_still(live: LiveFiles, group: Group) -> bool:
    """Tell whether a group's files are live with the very deletes that were applied to them."""
    present = {file.path: file for file in live.files}
    return not live.equality and all(
        file.path in present
        and present[file.path].deletes == file.deletes
        and file.partition not in live.shared
        for file in group
    )

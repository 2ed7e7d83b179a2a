"""Commit to one table so that "did it land?" always has an answer (design §4, steps 5b and 6).

1. Stage one append whose snapshot carries a stamp, and the properties that belong to it, together.
   Zero rows still append a snapshot: main is all that a catalog compares, so a commit that left main
   where it is would let a writer through that staged on the same main.
2. Send it with two requirements: the table's uuid and main's snapshot id. Nothing is rebased.
3. Accepted: landed. Any other answer, a 409 too, proves nothing: it may be our own commit sent twice.
4. Read the table back. The stamp is there: landed. Main moved without it: it never can land: conflict.
   Main did not move: the same bytes are sent again, which is safe because one main admits one of them.
5. One deadline for all of it; when it ends with the answer open: OutcomeUnknownError. No file is deleted.

The request goes through `RestCatalog.commit_table`, not `Transaction.commit_transaction`, because the
latter deletes the manifests of a commit that it takes for rejected. That uses private attributes of
pyiceberg's Transaction: its version is pinned and `tests/contract` holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from uuid import uuid4

from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AssertTableUUID,
    RemoveSnapshotsUpdate,
    TableRequirement,
    TableUpdate,
)

from lake.catalog.errors import UNPROVEN, mapped
from lake.catalog.files import WrittenFile
from lake.catalog.growth import Step, stage_growth
from lake.catalog.open import LakeCatalog, within
from lake.catalog.retention import Kept, Retention, plan_expiry
from lake.catalog.tables import TableState, load_table, state_of
from lake.clock import Deadline
from lake.errors import HistoryError, OutcomeUnknownError, UnavailableError, first_line
from lake.log import get_logger
from lake.types import SnapshotId

log = get_logger("catalog")

STAMP = "ingest.commit"
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_EXPIRE_AT_ONCE = 20  # a commit drops at most so many snapshots, so that none gets slow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSnapshot:
    """The snapshot that a commit is about to add; both numbers are known before it is sent."""

    id: SnapshotId
    sequence: int


Properties = Mapping[str, str] | Callable[[NewSnapshot], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """The commit is part of the table; `read_back` says that it was found, not acknowledged."""

    snapshot: SnapshotId
    state: TableState
    read_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Somebody else moved main first and this commit never can land; `state` is what they left."""

    state: TableState


class _Answer(Enum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"  # 409: somebody moved main, or our own commit was sent twice
    UNKNOWN = "unknown"  # no answer, or one that says nothing about the outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The very bytes of one commit: sending them twice can't apply them twice.

    What it requires holds main's snapshot id and the table's uuid, and it adds the snapshot.
    """

    snapshot: NewSnapshot
    stamp: str
    requirements: tuple[TableRequirement, ...]
    updates: tuple[TableUpdate, ...]


@dataclass(slots=True, kw_only=True)
class _Sent:
    """One answer of the catalog."""

    answer: _Answer
    state: TableState | None = None
    reason: str = field(default="")


def commit(
    catalog: LakeCatalog,
    state: TableState,
    *,
    files: Sequence[WrittenFile],
    properties: Properties,
    deadline: Deadline,
    stamp: str | None = None,
    retain: Retention | int | None = None,
    remove: Sequence[str] = (),
    growth: tuple[Step, ...] = (),
    summary: Mapping[str, str] = MappingProxyType({}),
) -> Landed | Conflict:
    """Add `files` and set `properties` in one commit on top of exactly the main that `state` shows.

    `properties` may be a function of the new snapshot; those in `remove` are taken away. `retain` says
    which snapshots stay; older ones leave the metadata (files stay). The same files may be committed
    again after a Conflict. `growth` lets the columns follow a contract in the same commit (`plan_growth`
    of the same state). `summary` is what the new snapshot says of itself.
    Raises UnavailableError (nothing was sent), HistoryError (the table is another one by now) or
    OutcomeUnknownError (the deadline ended first: the next run reads the table, which knows).
    """
    old = expirable(state, retain, deadline.clock.now())
    name = stamp or str(uuid4())
    staged = _stage(state, files, properties, name, old, remove, growth=growth, summary=summary)  # 1
    return settle(catalog, state, staged, deadline)


def settle(catalog: LakeCatalog, state: TableState, staged: Staged, deadline: Deadline) -> Landed | Conflict:
    """Send a staged commit until it is known what became of it (steps 2 to 5)."""
    attempt = 0
    while True:
        sent = _send(catalog, state, staged, deadline)  # 2, 3
        if sent.answer is _Answer.ACCEPTED and sent.state is not None:
            return Landed(snapshot=staged.snapshot.id, state=sent.state)
        tell = log.info if sent.answer is _Answer.REJECTED else log.warning
        tell("commit.unproven", table=str(state.name), answer=sent.answer.value, reason=sent.reason)
        present = _read_back(catalog, state, staged, deadline)  # 4
        if any(ancestor.id == staged.snapshot.id for ancestor in present.ancestry):
            return Landed(snapshot=staged.snapshot.id, state=present, read_back=True)
        if present.main != state.main or _schema_id(present) != _schema_id(state):
            return Conflict(state=present)
        deadline.pause(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        if deadline.expired():
            raise _open_outcome(state, sent.reason)  # 5
        attempt += 1


def _stage(  # noqa: PLR0917  one step of `commit`, its arguments are its local names
    state: TableState,
    files: Sequence[WrittenFile],
    properties: Properties,
    stamp: str,
    old: Sequence[int],
    remove: Sequence[str],
    *,
    growth: tuple[Step, ...],
    summary: Mapping[str, str],
) -> Staged:
    """Write the manifests of the append and collect its updates; the catalog hears nothing yet."""
    table = state.handle
    transaction = Transaction(table)
    with mapped(f"stage a commit of {state.name}"):
        if growth:
            stage_growth(transaction, growth, before=table.schema().fields[-1].name)
        append = transaction.update_snapshot(snapshot_properties={**summary, STAMP: stamp}).merge_append()
        snapshot = NewSnapshot(
            id=SnapshotId(append.snapshot_id), sequence=table.metadata.next_sequence_number()
        )
        for file in files:
            append.append_data_file(file.handle)
        append.commit()
    values = properties(snapshot) if callable(properties) else properties
    transaction.set_properties({**values, STAMP: stamp})
    if gone := sorted(set(remove) & state.properties.keys()):
        transaction.remove_properties(*gone)
    updates = transaction._updates  # noqa: SLF001  see the module's docstring
    if old:
        updates = (*updates, RemoveSnapshotsUpdate.model_validate({"snapshot-ids": old}))
    return Staged(
        snapshot=snapshot,
        stamp=stamp,
        requirements=(*transaction._requirements, AssertTableUUID(uuid=table.metadata.table_uuid)),  # noqa: SLF001
        updates=updates,
    )


def _send(catalog: LakeCatalog, state: TableState, staged: Staged, deadline: Deadline) -> _Sent:
    """Send the commit once. Only a clean acceptance is taken at its word."""
    table = state.handle
    with within(deadline), mapped(f"commit to {state.name}"):
        try:
            response = catalog.commit_table(table, staged.requirements, staged.updates)
        except CommitFailedException as error:
            return _Sent(answer=_Answer.REJECTED, reason=first_line(error))
        except NoSuchTableError as error:
            raise HistoryError(
                f"{state.name} was dropped while landing wrote to it", hint="lake ingest status"
            ) from error
        except UNPROVEN as error:
            return _Sent(answer=_Answer.UNKNOWN, reason=first_line(error))
    landed = Table(
        identifier=table.name(),
        metadata=response.metadata,
        metadata_location=response.metadata_location,
        io=table.io,
        catalog=catalog,
        config=table.config,
    )
    return _Sent(answer=_Answer.ACCEPTED, state=state_of(state.name, landed))


def _read_back(catalog: LakeCatalog, state: TableState, staged: Staged, deadline: Deadline) -> TableState:
    """Load the table until it answers; the deadline bounds the waiting."""
    attempt = 0
    while True:
        try:
            with within(deadline):
                present = load_table(catalog, state.name)
        except UnavailableError as error:
            if deadline.expired():
                raise _open_outcome(state, error.message) from error
            log.warning("commit.read_back_failed", table=str(state.name), reason=error.message)
            deadline.pause(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
            attempt += 1
            continue
        if present is None or present.uuid != state.uuid:
            raise HistoryError(
                f"{state.name} was dropped or replaced while commit {staged.stamp} was under way",
                hint="lake ingest status",
            )
        return present


def _open_outcome(state: TableState, reason: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"catalog: a commit to {state.name} may or may not have landed ({reason})",
        hint="lake status; once all services answer, repeat the command: it asks the table first",
    )


def _schema_id(state: TableState) -> int:
    return state.handle.metadata.current_schema_id


def expirable(
    state: TableState, retain: Retention | int | None, now: datetime, *, coming: int = 1
) -> list[int]:
    """Return the oldest snapshots beyond `retain` that no branch or tag names, a bounded number of them.

    `coming` snapshots are about to be added and need room. A number counts ancestors of main. By a
    Retention the newest snapshot of landing stays too: positions are checked against it.
    """
    if retain is None:
        return []
    metadata = state.handle.metadata
    named = {SnapshotId(ref.snapshot_id) for ref in metadata.refs.values()}
    if isinstance(retain, Retention):
        landed = [s for s in metadata.snapshots if s.summary is not None and STAMP in s.summary]
        named |= {SnapshotId(s.snapshot_id) for s in landed[-1:]}
        room = replace(retain, newest=retain.newest - coming)
        old = plan_expiry(map(_kept, metadata.snapshots), room, named=frozenset(named), now=now)
        return [int(number) for number in old[:_EXPIRE_AT_ONCE]]
    beyond = [a.id for a in reversed(state.ancestry[retain - coming :]) if a.id not in named]
    return [int(number) for number in beyond[:_EXPIRE_AT_ONCE]]


def _kept(snapshot: Snapshot) -> Kept:
    return Kept(
        id=SnapshotId(snapshot.snapshot_id),
        sequence=snapshot.sequence_number or 0,
        committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
    )

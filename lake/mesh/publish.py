"""Publish one interval of one table: audited or invisible (design §4, invariants I3 and I5).

The protocol, for DuckDB:
    0  write an attempt to PostgreSQL; settle older attempts of the table by their stamp first
    1  take the table's lock, begin a transaction
    2  SQLMesh deletes and inserts the interval in it
    3  SQLMesh runs every audit in it; the audits see the rows that nobody else sees
    4  a blocking audit failed: keep its failing rows as evidence, roll back
    5  passed: stamp the attempt as a table property in the transaction, COMMIT;
       an error of COMMIT says nothing, so read the stamp back: present = landed, else the whole again
    6  SQLMesh records the interval; history follows
    7  rewrite the files that the publish has made worth it (`lake.catalog.tidy`), rows unchanged

SQLMesh calls steps 2, 3 and 6; `lake.mesh.seams` ties them to the steps here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import duckdb

from lake.clock import Clock, Deadline, SystemClock
from lake.control import Attempt, AttemptState, mark_recorded, open_attempt, settle_attempt
from lake.errors import LakeError
from lake.log import get_logger
from lake.mesh import iceberg
from lake.mesh.engine import engine_error
from lake.mesh.errors import StockError, as_stock
from lake.mesh.hidden import HIDDEN, read_hidden
from lake.mesh.read_back import pause, read_back
from lake.mesh.runtime import Runtime
from lake.mesh.stamps import STAMP, put_stamp, read_stamps, settle_by_stamp
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.tables import TableState

log = get_logger("mesh")
T = TypeVar("T")

_APPENDS = 8  # after so many that only add, their files are looked at too
_ATTEMPTS = 6


class PublishConflictError(StockError):
    """Another writer moved the table, or the commit did not land: evaluate the interval again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is published: the half-open interval of one version of one model.

    `once`: evaluating the interval a second time would double rows (`lake.mesh.once`).
    """

    model: str
    fingerprint: str
    interval_start: datetime
    interval_end: datetime
    evaluation_id: UUID
    run_id: UUID | None = None
    once: bool = False


@dataclass(slots=True, kw_only=True)
class Publication:
    """One attempt, held by one thread; SQLMesh's writes and audits happen between begin and its end."""

    runtime: Runtime
    work: Work
    clock: Clock
    attempt_id: UUID = field(default_factory=uuid4)
    table: TableName | None = None
    cursor: Any = None
    rows: int = 0
    replaced: bool = False  # whether rows went, which leaves delete files
    snapshot_id: int | None = None
    state: AttemptState = AttemptState.OPEN
    opened: bool = False
    landed: TableState | None = None
    earlier: tuple[UUID, ...] = ()  # tries of the same publish that had not landed when they were looked for

    def begin(self, cursor: Any, table: TableName) -> None:
        """Open the transaction at the first write to the table; later writes join it (steps 0, 1)."""
        if self.table is not None:
            if table != self.table:
                raise StockError(
                    f"{self.work.model} writes {table} while {self.table} is being published",
                    hint="let a model write its own table only",
                )
            return
        self.runtime.services.table_lock(table).acquire()
        self.table, self.cursor = table, cursor
        # 0 An attempt that can't be written is not begun.
        try:
            older = open_attempt(self.runtime.control, self._attempt(table))
            settle_by_stamp(self.runtime, table, older)
        except LakeError as error:
            self._release()
            raise as_stock(error) from error
        # 1 The transaction belongs to this thread's cursor.
        self.cursor.execute("BEGIN TRANSACTION")
        self.opened = True

    def refuse(self, reason: str) -> None:
        """Roll back because a blocking audit failed (step 4); the caller has read the evidence."""
        if self.opened:
            self._roll_back()
            self._settle(AttemptState.REFUSED, reason)

    def abandon(self, table: TableName) -> None:
        """Roll back before the table itself is dropped; nothing happens when another one is open."""
        if self.opened and table == self.table:
            self._roll_back()
            self._settle(AttemptState.FAILED, "the table was dropped")

    def commit(self) -> None:
        """Stamp and commit (step 5).

        Raises PublishConflictError when the commit did not land, StockError when its outcome
        stays unknown; in both cases nothing is deleted.
        """
        if not self.opened or self.table is None:
            return
        try:
            self._stamp()
            self.cursor.execute("COMMIT")
        except duckdb.Error as error:
            self._roll_back()
            self._after_failed_commit(error)
        self.opened = False
        self._settle(AttemptState.LANDED, "")

    def tidy(self) -> None:
        """Rewrite the files that the publish has made worth it (step 7); readers see the same rows.

        What can't be done now is done after a later publish, or by maintenance.
        """
        if self.landed is None or not (self.replaced or len(self.landed.ancestry) % _APPENDS == 0):
            return
        settings = self.runtime.settings.engine
        deadline = Deadline.after(settings.publish_seconds, self.clock)
        try:
            done = iceberg.tidy(
                self.runtime.catalog, self.landed, deadline=deadline, retain=settings.retained_snapshots
            )
        except LakeError as error:
            log.warning("tidy.left", table=str(self.landed.name), reason=error.message)
            return
        if isinstance(done, iceberg.Conflict):
            log.info("tidy.left", table=str(self.landed.name), reason="another writer was first")

    def close(self, error: BaseException | None) -> None:
        """Leave no transaction and no lock behind, whatever happened."""
        if self.opened:
            self._roll_back()
            self._settle(AttemptState.FAILED, type(error).__name__ if error else "not published")
        if self.table is not None:
            self._release()

    def _attempt(self, table: TableName) -> Attempt:
        work = self.work
        return Attempt(
            attempt_id=self.attempt_id,
            table_name=str(table),
            model=work.model,
            fingerprint=work.fingerprint,
            interval_start=work.interval_start,
            interval_end=work.interval_end,
            run_id=work.run_id,
            recorded=not work.once,
        )

    def _stamp(self) -> None:
        """Name the attempt in the table; a foreign commit since BEGIN refuses the whole."""
        table = _some(self.table)
        before = put_stamp(self.cursor, table, self.attempt_id)
        if read_hidden(before.get(HIDDEN)):
            self.runtime.with_hidden.add(table)

    def _after_failed_commit(self, error: duckdb.Error) -> None:
        """Decide by the stamp; return when the commit landed after all."""
        log.warning("commit.unclear", table=str(self.table), attempt=str(self.attempt_id))
        try:
            seconds = self.runtime.settings.engine.publish_seconds
            state = read_back(self.runtime, _some(self.table), Deadline.after(seconds, self.clock))
        except LakeError as unread:
            self._settle(AttemptState.UNKNOWN, str(error)[:500])
            raise StockError(
                f"{self.work.model}: the commit of {self.table} got no answer, and the catalog can't be read"
                f" ({unread.message})",
                hint="lake up, then run the same command again: it finds out what landed",
            ) from error
        stamps = read_stamps(state.properties.get(STAMP)) if state is not None else ()
        if str(self.attempt_id) in stamps:
            log.info("commit.landed_unacknowledged", table=str(self.table), attempt=str(self.attempt_id))
            return
        # A request that was lost on its way may have arrived only now; its rows passed the same audits.
        if (late := next((tried for tried in self.earlier if str(tried) in stamps), None)) is not None:
            log.info("commit.landed_late", table=str(self.table), attempt=str(late))
            self._settle(AttemptState.CONFLICT, "an earlier try of this publish landed")
            self.attempt_id = late
            return
        self._settle(AttemptState.CONFLICT, str(error)[:500])
        shown = engine_error(self.runtime.settings, f"publish {self.table}", error)
        raise PublishConflictError(shown.message, hint=shown.hint) from error

    def _roll_back(self) -> None:
        self.opened = False
        # A transaction that the engine has ended by itself has nothing left to roll back.
        with suppress(duckdb.TransactionException):
            self.cursor.execute("ROLLBACK")

    def _settle(self, state: AttemptState, reason: str) -> None:
        """Write down what became of the attempt; the stamp in the table says the same if this fails."""
        self.state = state
        try:
            if state is AttemptState.LANDED:
                self.landed = iceberg.load_table(self.runtime.catalog, _some(self.table))
                self.snapshot_id = self._committed(self.landed)
            settle_attempt(
                self.runtime.control,
                self.attempt_id,
                state,
                snapshot_id=self.snapshot_id,
                reason=reason,
            )
        except LakeError as error:
            log.warning("attempt.unsettled", attempt=str(self.attempt_id), reason=error.message)

    def _committed(self, landed: TableState | None) -> int | None:
        """Return the snapshot that this attempt committed."""
        return landed.main if landed else None

    def _release(self) -> None:
        table, self.table, self.cursor = _some(self.table), None, None
        self.runtime.services.table_lock(table).release()


def publish(
    runtime: Runtime,
    work: Work,
    evaluate: Callable[[Publication], T],
    *,
    clock: Clock | None = None,
    kind: type[Publication] = Publication,
) -> T:
    """Run `evaluate` as one audited publish; the whole again when another writer was first.

    `kind` is how the engine publishes; this module's own is DuckDB's.

    Raises what `evaluate` raises; PublishConflictError once the tries are used up.
    """
    clock = clock or SystemClock()
    tried: list[UUID] = []
    for number in range(1, _ATTEMPTS + 1):
        publication = kind(runtime=runtime, work=work, clock=clock, earlier=tuple(tried))
        tried.append(publication.attempt_id)
        runtime.publication = publication
        raised: BaseException | None = None
        try:
            result = evaluate(publication)
        except PublishConflictError as error:
            raised = error
            if number == _ATTEMPTS:
                raise
            log.info("publish.again", model=work.model, attempt=number, reason=error.message)
        except BaseException as error:
            raised = error
            raise
        else:
            if work.once and publication.state is AttemptState.LANDED:
                mark_recorded(runtime.control, publication.attempt_id)
            publication.tidy()
            return result
        finally:
            runtime.publication = None
            publication.close(raised)
        clock.sleep(pause(number))
    raise AssertionError("the last round returns or raises")


def _some(table: TableName | None) -> TableName:
    assert table is not None
    return table

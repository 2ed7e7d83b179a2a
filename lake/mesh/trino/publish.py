"""Publish one interval of one table on Trino: audited or invisible, in one snapshot (design §4).

    0  write an attempt to PostgreSQL; settle older attempts of the table first
    1  take the table's lock, make a stage beside the table
    2  what SQLMesh deletes and inserts is kept: rows go to the stage, the rest is remembered
    3  SQLMesh runs every audit on a view of the table as it will be
    4  a blocking audit failed: keep its failing rows as evidence, drop the stage
    5  passed: write the id of the query that will commit into the attempt, then let it run;
       Trino puts that id into the snapshot. An error says nothing, so read the snapshots back
    6  SQLMesh records the interval; history follows

Trino gives a statement its id before it starts it, and starts it when the client asks for its first
page: the id is in PostgreSQL before anything can land.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlglot import exp
from typing_extensions import override

from lake.clock import Deadline
from lake.control import Attempt, AttemptState, note_query, open_attempt, settle_older
from lake.errors import LakeError, first_line
from lake.log import get_logger
from lake.mesh import iceberg
from lake.mesh.errors import StockError, as_stock
from lake.mesh.hidden import HIDDEN, read_hidden
from lake.mesh.publish import Publication, PublishConflictError
from lake.mesh.read_back import read_back
from lake.mesh.runtime import Runtime
from lake.mesh.trino.statements import Change, is_plain_upsert, read_insert
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.tables import TableState

log = get_logger("mesh")

QUERY_ID = "trino_query_id"  # where Trino's Iceberg connector puts it in a snapshot's summary
_RUNNING = "SELECT state FROM system.runtime.queries WHERE query_id = ?"
_ENDED = {"FINISHED", "FAILED"}


@dataclass(slots=True, kw_only=True)
class TrinoPublication(Publication):
    """One attempt on Trino; `cursor` is the adapter that stages, audits and commits."""

    change: Change | None = None
    stage: exp.Table | None = None
    audited: exp.Table | None = None
    query_id: str = ""

    def take(self, adapter: Any, name: TableName, statement: exp.Expr) -> None:
        """Keep one write of the model: stage its rows, remember what it replaces (steps 1, 2)."""
        self._open(adapter, name)
        if isinstance(statement, exp.Delete):
            self._change(statement.this, (), replaced=_condition(statement))
        elif isinstance(statement, exp.Create):
            adapter.create_empty(statement)
            columns = tuple(statement.expression.named_selects)
            self._change(statement.this, columns, create=statement)
            self._fill(adapter, columns, statement.expression)
        elif isinstance(statement, exp.Insert):
            table, columns, rows = read_insert(statement)
            self._change(table, columns or tuple(adapter.columns(table)))
            self._fill(adapter, self._some_change().columns, rows)
        elif isinstance(statement, exp.Merge):
            self._merge(adapter, statement)
        else:
            raise StockError(
                f"{self.work.model}: {statement.key.upper()} can't be part of a publish on Trino",
                hint="give the model gateway lake",
            )

    def state_to_audit(self) -> exp.Table | None:
        """Return a relation with the rows that the table will hold (step 3); None when nothing is staged."""
        if self.stage is None or not self.opened or self.audited is not None:
            return self.audited
        change = self._some_change()
        if change.is_whole:
            self.audited = self.stage
            return self.audited
        self.audited = _beside(change.table, f"after_{self.attempt_id.hex[:12]}")
        self.cursor.run(exp.Create(this=self.audited, kind="VIEW", expression=change.after(self.stage)))
        return self.audited

    @override
    def commit(self) -> None:
        """Let one statement put the stage in place (step 5).

        Raises PublishConflictError when nothing landed, StockError when that could not be found out.
        """
        if not self.opened or self.table is None:
            return
        if self.stage is None:  # rows were deleted and none inserted
            self.change = replace(
                self._some_change(), columns=tuple(self.cursor.columns(self._some_change().table))
            )
            self._make_stage(self.cursor)
        assert self.stage is not None
        try:
            self.cursor.run(self._some_change().commit(self.stage), on_query=self._note)
        except LakeError as error:
            self._after_failed_commit_on_trino(error)
        self._drop_stage()
        self.opened = False
        change = self._some_change()
        self.replaced = change.replaced is not None or change.merge is not None
        self._settle(AttemptState.LANDED, "")
        if self.landed is not None and read_hidden(self.landed.properties.get(HIDDEN)):
            self.runtime.with_hidden.add(self.landed.name)

    def _open(self, adapter: Any, name: TableName) -> None:
        if self.table is not None:
            if name != self.table:
                raise StockError(
                    f"{self.work.model} writes {name} while {self.table} is being published",
                    hint="let a model write its own table only",
                )
            return
        self.runtime.services.table_lock(name).acquire()
        self.table, self.cursor = name, adapter
        try:
            older = open_attempt(self.runtime.control, self._attempt(name))  # 0
            settle_by_query(self.runtime, adapter, name, older)
        except LakeError as error:
            self._release()
            raise as_stock(error) from error
        self.opened = True

    def _change(self, table: exp.Table, columns: tuple[str, ...], **what: Any) -> None:
        """Add one statement to the change; several of them must make sense as one."""
        known = self.change
        if known is None:
            self.change = Change(table=_plain(table), columns=columns, **what)
        elif known.replaced is not None and self.stage is None and not what:
            self.change = Change(table=known.table, columns=columns, replaced=known.replaced)
        elif what or columns != known.columns:
            raise StockError(
                f"{self.work.model} changes its table in several ways at once", hint="give it gateway lake"
            )

    def _fill(self, adapter: Any, columns: Sequence[str], rows: exp.Query) -> None:
        self._make_stage(adapter)
        self.rows += adapter.run(exp.insert(rows, self._staged(), columns=list(columns)))

    def _make_stage(self, adapter: Any) -> None:
        """Make the stage with the table's own columns: what the table takes, the stage takes."""
        if self.stage is None:
            table = self._some_change().table
            self.stage = _beside(table, f"stage_{self.attempt_id.hex[:12]}")
            empty = exp.select("*").from_(table.copy()).where(exp.false())
            adapter.run(exp.Create(this=self.stage, kind="TABLE", expression=empty))

    def _merge(self, adapter: Any, merge: exp.Merge) -> None:
        """Stage the source of a MERGE; what a later one brings for the same keys wins."""
        using = merge.args["using"].this
        rows = using.this if isinstance(using, exp.Subquery) else using
        plain = is_plain_upsert(merge)
        known = self.change
        if known is not None and plain and (known.merge is not None or known.is_whole):
            into_stage = merge.copy()
            into_stage.set("this", exp.alias_(self._staged(), merge.this.alias, table=True))
            self.rows += adapter.run(into_stage)
            return
        columns = tuple(rows.named_selects)
        self._change(_plain(merge.this), columns, merge=merge)
        self._fill(adapter, columns, rows)
        if not plain:
            self._merge_into_copy(adapter, merge, _plain(merge.this))

    def _merge_into_copy(self, adapter: Any, merge: exp.Merge, table: exp.Table) -> None:
        """Merge into a copy of the table, for the audits: a free MERGE can't be foreseen otherwise."""
        assert self.stage is not None
        copy = _beside(table, f"copy_{self.attempt_id.hex[:12]}")
        whole = exp.select("*").from_(table.copy())
        adapter.run(exp.Create(this=copy, kind="TABLE", expression=whole))
        self.audited = copy
        into_copy = self._some_change().commit(self.stage)
        into_copy.set("this", exp.alias_(copy.copy(), merge.this.alias, table=True))
        adapter.run(into_copy)

    def _note(self, query_id: str) -> None:
        self.query_id = query_id
        note_query(self.runtime.control, self.attempt_id, query_id)

    def _after_failed_commit_on_trino(self, error: Exception) -> None:
        """Decide by the snapshots; return when the commit landed after all."""
        log.warning("commit.unclear", table=str(self.table), attempt=str(self.attempt_id))
        table = self.table
        assert table is not None
        try:
            ended = not self.query_id or _has_ended(self.cursor, self.query_id)
            deadline = Deadline.after(self.runtime.settings.engine.publish_seconds, self.clock)
            landed = _snapshot_of(read_back(self.runtime, table, deadline), self.query_id)
        except LakeError as unread:
            landed, ended, error = None, False, unread
        if landed is not None:
            log.info("commit.landed_unacknowledged", table=str(table), attempt=str(self.attempt_id))
            return
        self.opened = False
        if not ended:
            self._settle(AttemptState.UNKNOWN, str(error)[:500])
            raise StockError(
                f"{self.work.model}: the commit of {table} got no answer, and it can't be found out"
                f" what became of it ({first_line(error)})",
                hint="lake up --with trino, then run the same command again: it finds out what landed",
            ) from error
        self._drop_stage()
        self._settle(AttemptState.CONFLICT, str(error)[:500])
        raise PublishConflictError(f"publish {table}: {first_line(error)}", hint="lake logs trino") from error

    @override
    def _roll_back(self) -> None:
        self.opened = False
        self._drop_stage()

    def _drop_stage(self) -> None:
        table, suffix = self._some_change().table if self.change else None, self.attempt_id.hex[:12]
        if table is not None:
            _drop_leftovers(self.cursor, table, suffix)

    @override
    def _committed(self, landed: TableState | None) -> int | None:
        return _snapshot_of(landed, self.query_id)

    def _staged(self) -> exp.Table:
        assert self.stage is not None
        return self.stage.copy()

    def _some_change(self) -> Change:
        assert self.change is not None
        return self.change


def settle_by_query(
    runtime: Runtime, adapter: Any, table: TableName, older: Sequence[Attempt]
) -> dict[UUID, AttemptState]:
    """Find out what became of attempts whose process said nothing (step 0); remove their stages.

    Raises StockError while one of them still runs.
    """
    if not older:
        return {}
    for attempt in older:
        if attempt.query_id and not _has_ended(adapter, attempt.query_id):
            raise StockError(
                f"{attempt.model}: an earlier publish of {table} still runs on Trino"
                f" (query {attempt.query_id})",
                hint="wait for it, then run the same command again",
            )
    state = iceberg.load_table(runtime.catalog, table)
    outcomes = {}
    for attempt in older:
        landed = _snapshot_of(state, attempt.query_id) is not None
        outcomes[attempt.attempt_id] = AttemptState.LANDED if landed else AttemptState.LOST
        _drop_leftovers(adapter, exp.to_table(table.quoted, dialect="trino"), attempt.attempt_id.hex[:12])
    settle_older(runtime.control, outcomes)
    return outcomes


def _has_ended(adapter: Any, query_id: str) -> bool:
    """Ask Trino whether a query is over; one that it has forgotten is."""
    states: Callable[..., list[Any]] = adapter.ask
    return all(state in _ENDED for (state,) in states(_RUNNING, [query_id]))


def _snapshot_of(state: TableState | None, query_id: str) -> int | None:
    """Return the snapshot that a query committed."""
    if state is None or not query_id:
        return None
    for snapshot in reversed(state.handle.metadata.snapshots):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(QUERY_ID) == query_id:
            return int(snapshot.snapshot_id)
    return None


def _drop_leftovers(adapter: Any, table: exp.Table, suffix: str) -> None:
    """Drop what an attempt made; what can't be dropped now is dropped when the attempt is settled."""
    try:
        adapter.run(exp.Drop(this=_beside(table, f"after_{suffix}"), kind="VIEW", exists=True))
        for kind in ("stage", "copy"):
            adapter.run(exp.Drop(this=_beside(table, f"{kind}_{suffix}"), kind="TABLE", exists=True))
    except LakeError as error:
        log.warning("stage.kept", table=table.sql("trino"), reason=first_line(error))


def _beside(table: exp.Table, suffix: str) -> exp.Table:
    other = _plain(table)
    other.set("this", exp.to_identifier(f"{table.name}__{suffix}", quoted=True))
    return other


def _plain(table: Any) -> exp.Table:
    """Return a table's bare name: no alias, no column list."""
    found = table.this if isinstance(table, exp.Alias | exp.Schema) else table
    return exp.table_(found.this.copy(), db=found.args["db"].copy(), catalog=found.args.get("catalog"))


def _condition(delete: exp.Delete) -> exp.Expr:
    where = delete.args.get("where")
    return where.this if where is not None else exp.true()

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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from typing_extensions import override

from lake.clock import Deadline
from lake.control import AttemptState, note_query, open_attempt
from lake.errors import LakeError, first_line
from lake.log import get_logger
from lake.mesh.errors import StockError, as_stock
from lake.mesh.hidden import HIDDEN, read_hidden
from lake.mesh.publish import Publication, PublishConflictError
from lake.mesh.read_back import read_back
from lake.mesh.trino.queries import has_ended, settle_by_query, snapshot_of
from lake.mesh.trino.stage import bare, beside, drop_leftovers
from lake.mesh.trino.statements import Change, is_plain_upsert, read_insert
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.tables import TableState

log = get_logger("mesh")


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
        self.audited = beside(change.table, f"after_{self.attempt_id.hex[:12]}")
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
            self.change = Change(table=bare(table), columns=columns, **what)
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
            self.stage = beside(table, f"stage_{self.attempt_id.hex[:12]}")
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
        self._change(bare(merge.this), columns, merge=merge)
        self._fill(adapter, columns, rows)
        if not plain:
            self._merge_into_copy(adapter, merge, bare(merge.this))

    def _merge_into_copy(self, adapter: Any, merge: exp.Merge, table: exp.Table) -> None:
        """Merge into a copy of the table, for the audits: a free MERGE can't be foreseen otherwise."""
        assert self.stage is not None
        copy = beside(table, f"copy_{self.attempt_id.hex[:12]}")
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
            ended = not self.query_id or has_ended(self.cursor, self.query_id)
            deadline = Deadline.after(self.runtime.settings.engine.publish_seconds, self.clock)
            landed = snapshot_of(read_back(self.runtime, table, deadline), self.query_id)
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
            drop_leftovers(self.cursor, table, suffix)

    @override
    def _committed(self, landed: TableState | None) -> int | None:
        return snapshot_of(landed, self.query_id)

    def _staged(self) -> exp.Table:
        assert self.stage is not None
        return self.stage.copy()

    def _some_change(self) -> Change:
        assert self.change is not None
        return self.change


def _condition(delete: exp.Delete) -> exp.Expr:
    where = delete.args.get("where")
    return where.this if where is not None else exp.true()

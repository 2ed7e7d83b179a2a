"""What one publish does to a table, and the statements for it: stage, state to audit, one commit.

Pure: syntax trees in, syntax trees out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from lake.mesh.errors import StockError

OP = "lakemesh_op"  # of the rows of a MERGE: 1 is inserted, 0 only says what is deleted
KEY = "lakemesh_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the model's statements, seen together, do to its table; the rows are in the stage."""

    table: exp.Table
    columns: tuple[str, ...]
    replaced: exp.Expr | None = None  # rows that go: a condition on the table's columns
    create: exp.Create | None = None  # the whole table is replaced, by CREATE OR REPLACE
    merge: exp.Merge | None = None

    @property
    def is_whole(self) -> bool:
        return self.create is not None

    def commit(self, stage: exp.Table) -> exp.Expr:
        """Return the one statement that puts the staged rows in place."""
        rows = exp.select(*_columns(self.columns)).from_(stage.copy())
        if self.create is not None:
            create = self.create.copy()
            create.set("expression", rows)
            return create
        if self.merge is not None:
            merge = self.merge.copy()
            using = merge.args["using"]
            merge.set("using", exp.alias_(rows.subquery(), using.alias, table=True))
            return merge
        if self.replaced is None:
            return exp.insert(rows, self.table.copy(), columns=list(self.columns))
        return self._replace(stage)

    def after(self, stage: exp.Table) -> exp.Query:
        """Return the rows that the table will hold."""
        staged = exp.select(*_columns(self.columns)).from_(stage.copy())
        kept = exp.select(*_columns(self.columns, "t")).from_(exp.alias_(self.table.copy(), "t", table=True))
        if self.is_whole:
            return staged
        if self.merge is not None:
            on = self.merge.args["on"].copy()
            target, source = self.merge.this.alias, self.merge.args["using"].alias
            matches = exp.select("1").from_(exp.alias_(stage.copy(), "s", table=True))
            matches = matches.where(_renamed(on, {target: "t", source: "s"}))
            kept = kept.where(exp.Exists(this=matches).not_())
        elif self.replaced is not None:
            condition = _of_table(self.replaced, "t")
            if (keys := _keys(self.replaced)) is not None:  # SQLMesh's own table of keys is gone by then
                of_row, of_stage = keys
                staged_keys = exp.select(of_stage.copy()).from_(stage.copy()).distinct()
                condition = _of_table(of_row, "t").isin(query=staged_keys)
            gone = exp.func("COALESCE", exp.paren(condition), exp.false())
            kept = kept.where(exp.Not(this=gone))
        return exp.union(kept, staged, distinct=False)

    def _replace(self, stage: exp.Table) -> exp.Merge:
        """Return the MERGE: a row with OP 0 matches what goes, each row with OP 1 is inserted."""
        assert self.replaced is not None
        staged = exp.select(
            exp.Literal.number(1).as_(OP), exp.null().as_(KEY), *_columns(self.columns)
        ).from_(stage.copy())
        nothing = [exp.null().as_(name, quoted=True) for name in self.columns]
        keys = _keys(self.replaced)
        if keys is None:
            markers = exp.select(exp.Literal.number(0).as_(OP), exp.null().as_(KEY), *nothing)
            gone: exp.Expr = exp.paren(_of_table(self.replaced, "t"))
        else:
            of_row, of_stage = keys
            markers = (
                exp.select(exp.Literal.number(0).as_(OP), of_stage.copy().as_(KEY), *nothing)
                .distinct()
                .from_(stage.copy())
            )
            gone = _of_table(of_row, "t").eq(exp.column(KEY, "s"))
        op = exp.column(OP, "s")
        return exp.Merge(
            this=exp.alias_(self.table.copy(), "t", table=True),
            using=exp.alias_(exp.union(staged, markers, distinct=False).subquery(), "s", table=True),
            on=exp.and_(op.copy().eq(0), gone),
            whens=exp.Whens(
                expressions=[
                    exp.When(matched=True, source=False, then=exp.Delete()),
                    exp.When(
                        matched=False,
                        source=False,
                        condition=op.copy().eq(1),
                        then=exp.Insert(
                            this=exp.Tuple(expressions=_columns(self.columns)),
                            expression=exp.Tuple(expressions=_columns(self.columns, "s")),
                        ),
                    ),
                ]
            ),
        )


def read_insert(statement: exp.Insert) -> tuple[exp.Table, tuple[str, ...], exp.Query]:
    """Return target, columns by position (none when the statement names none) and rows of an INSERT."""
    target = statement.this
    columns: Sequence[Any] = target.expressions if isinstance(target, exp.Schema) else ()
    table = target.this if isinstance(target, exp.Schema) else target
    rows = statement.expression
    if not isinstance(rows, exp.Query):
        raise StockError(f"{table.sql('trino')}: an INSERT on Trino takes a query")
    return table, tuple(column.name for column in columns), rows


def is_plain_upsert(merge: exp.Merge) -> bool:
    """Say whether a MERGE writes each source row over its match or in addition: then `after` is exact."""
    whens = merge.args["whens"].expressions
    kinds = [(when.args["matched"], type(when.args["then"]), when.args.get("condition")) for when in whens]
    return kinds == [(True, exp.Update, None), (False, exp.Insert, None)]


def _columns(names: Sequence[str], table: str | None = None) -> list[exp.Expr]:
    return [exp.column(name, table, quoted=True) for name in names]


def _keys(condition: exp.Expr) -> tuple[exp.Expr, exp.Expr] | None:
    """Split `key IN (SELECT DISTINCT key FROM …)`, by which SQLMesh replaces partitions."""
    query = condition.args.get("query") if isinstance(condition, exp.In) else None
    if query is None:
        return None
    return condition.this, query.this.selects[0] if isinstance(query, exp.Subquery) else query.selects[0]


def _of_table(condition: exp.Expr, alias: str) -> exp.Expr:
    """Qualify the columns of a condition on one table; those of queries inside belong to them."""
    copy = condition.copy()
    for column in list(copy.find_all(exp.Column)):
        inside = column.find_ancestor(exp.Query)
        if inside is None and not column.table:
            column.set("table", exp.to_identifier(alias))
    return copy


def _renamed(condition: exp.Expr, names: dict[str, str]) -> exp.Expr:
    for column in condition.find_all(exp.Column):
        if column.table in names:
            column.set("table", exp.to_identifier(names[column.table]))
    return condition

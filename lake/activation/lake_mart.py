"""Read an activation model from the lake, every table beneath it pinned to one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lake.activation.definition import Sync
from lake.activation.mart import MartState
from lake.activation.rows import to_records
from lake.catalog import load_table
from lake.errors import BadInputError
from lake.mesh.engine import mapped_engine
from lake.mesh.resolve import table_name
from lake.mesh.session import Session, open_session
from lake.mesh.travel import DIALECT
from lake.settings import Settings
from lake.types import TableName, quote_identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeMart:
    """The mart port on a session of the lake."""

    session: Session

    def snapshots(self, sync: Sync) -> Mapping[str, int]:
        return self._pins(self._resolved(sync))

    def read(self, sync: Sync) -> MartState:
        """Return the records at one state: views may be replaced and tables move while this reads.

        Raises BadInputError when the model or one of its columns is missing.
        """
        tree = self._resolved(sync)
        pins = self._pins(tree)
        with mapped_engine(self.session.settings, f"read {sync.model}"):
            rows = self.session.connection.execute(pinned(tree, pins).sql(DIALECT)).to_arrow_table()
        return MartState(records=to_records(sync, rows.to_pylist()), snapshots=pins)

    def _resolved(self, sync: Sync) -> exp.Expr:
        columns = ", ".join(quote_identifier(column) for column in sync.columns)
        text = self.session.prepare(f"SELECT {columns} FROM {sync.model}")  # noqa: S608 - checked names
        tree: exp.Expr = sqlglot.parse_one(text, dialect=DIALECT)
        return tree

    def _pins(self, tree: exp.Expr) -> dict[str, int]:
        names = {name for table in tree.find_all(exp.Table) if (name := table_name(table)) is not None}
        return {str(name): self._snapshot(name) for name in sorted(names)}

    def _snapshot(self, name: TableName) -> int:
        state = load_table(self.session.catalog, name)
        if state is None or state.main is None:
            raise BadInputError(
                f"{name} {'does not exist' if state is None else 'has never been written'}",
                hint="sqlmesh plan builds the models",
            )
        return int(state.main)


def pinned(tree: exp.Expr, pins: Mapping[str, int]) -> exp.Expr:
    """Return `tree` with each table of the lake read at its pinned snapshot.

    The version stands in a subquery of its own, because no alias can follow it in a table reference.
    """
    copy = tree.copy()
    for table in list(copy.find_all(exp.Table)):
        name = table_name(table)
        if name is None:
            continue
        alias = table.alias_or_name
        table.set("alias", None)
        version = f"SELECT * FROM {table.sql(DIALECT)} AT (VERSION => {pins[str(name)]:d})"  # noqa: S608 - a number
        table.replace(sqlglot.parse_one(f"({version}) AS {quote_identifier(alias)}", dialect=DIALECT))
    return copy


@contextmanager
def open_mart(settings: Settings) -> Iterator[LakeMart]:
    """Open a session on the lake for reading marts; UnavailableError names what does not answer."""
    with open_session(settings) as session:
        yield LakeMart(session=session)

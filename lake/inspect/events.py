"""The newest event of a table: one query per table and snapshot, remembered by the caller."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from datetime import date, datetime

from lake.inspect.values import TableFacts
from lake.mesh.session import open_session
from lake.settings import Settings
from lake.types import quote_identifier

# (table, column, snapshots) names one answer for ever: a snapshot never changes.
EventKey = tuple[str, str, tuple[tuple[str, int], ...]]
Known = MutableMapping[EventKey, datetime | date | None]


def read_newest_events(
    settings: Settings, tables: Iterable[TableFacts], *, known: Known
) -> dict[str, datetime | date | None]:
    """Return the newest event by table name; asks only for snapshots that `known` lacks.

    `known` holds afterwards what was asked about and nothing else, so that it can't grow.

    Raises UnavailableError when catalog or storage doesn't answer.
    """
    dated = [table for table in tables if table.time_column and table.snapshots]
    missing = [table for table in dated if _key(table) not in known]
    if missing:
        with open_session(settings) as session:
            for table in missing:
                query = (
                    f"SELECT max({quote_identifier(table.time_column)}) AS newest"  # noqa: S608 - quoted names
                    f" FROM lake.{table.name}"
                )
                known[_key(table)] = session.query(query).column("newest")[0].as_py()
    current = {_key(table) for table in dated}
    for key in [key for key in known if key not in current]:
        del known[key]
    return {table.name: known[_key(table)] for table in dated}


def _key(table: TableFacts) -> EventKey:
    return (table.name, table.time_column, table.snapshots)

"""Read a table or view by the name that people use, from any environment, as it stood at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from lake.errors import BadInputError
from lake.mesh.session import PROD, open_session
from lake.notebook.frames import Kind, to_frame
from lake.settings import Project, load_settings
from lake.types import CATALOG, TableName, quote_identifier, quote_text


def read(
    table: str,
    *,
    env: str = PROD,
    as_of: datetime | date | str | int | None = None,
    columns: Sequence[str] | None = None,
    where: str = "",
    to: Kind = "arrow",
    project: Project | None = None,
) -> Any:
    """Return the rows of `schema.table` as a frame.

    `as_of` is a moment (a text is ISO 8601, no zone means UTC, a date counts to its end) or a snapshot
    id; it goes through a view that only selects columns. `where` is a condition in SQL.
    Raises BadInputError for a name, column, moment or environment that isn't there, UnavailableError
    when a service doesn't answer.
    """
    text = select(table, as_of=as_of, columns=columns, where=where)
    with open_session(load_settings(project=project)) as session:
        return to_frame(session.query(text, environment=env), to)


def select(
    table: str, *, as_of: datetime | date | str | int | None, columns: Sequence[str] | None, where: str
) -> str:
    """Return the statement that reads the rows."""
    try:
        name = TableName.parse(table)
    except ValueError as error:
        raise BadInputError(str(error), hint="lake.read('analytics.household_value')") from error
    shown = ", ".join(quote_identifier(column) for column in columns) if columns else "*"
    text = f"SELECT {shown} FROM {CATALOG}.{name}"  # noqa: S608  checked and quoted names
    if isinstance(as_of, int):
        text += f" AT (VERSION => {as_of:d})"
    elif as_of is not None:
        moment = f"{_moment(as_of).astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
        text += f" AT (TIMESTAMP => TIMESTAMP {quote_text(moment)})"
    return f"{text} WHERE ({where})" if where else text


def _moment(value: datetime | date | str) -> datetime:
    if isinstance(value, str):
        try:
            value = (
                date.fromisoformat(value)
                if len(value) == len("2026-11-01")
                else datetime.fromisoformat(value)
            )
        except ValueError as error:
            raise BadInputError(
                f"{value!r} is no moment", hint="write 2026-11-01 or 2026-11-01T10:00:00Z"
            ) from error
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value + timedelta(days=1), time.min, UTC)

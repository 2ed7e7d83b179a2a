"""`lake sql`: read the lake by the names that people use."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import typer

from app.cli.frame import JsonFlag, err, print_json, print_table
from lake.errors import BadInputError
from lake.settings import load_settings

_SHOWN = 200


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("sql")(sql)


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SELECT, DESCRIBE, SUMMARIZE or EXPLAIN; - reads stdin.")
    ],
    *,
    env: Annotated[str, typer.Option("--env", help="Environment whose views the names mean.")] = "prod",
    as_json: JsonFlag = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
    limit: Annotated[int, typer.Option(help="Rows that the table shows; 0 shows all.")] = _SHOWN,
) -> None:
    """Query tables and views, for example: lake sql "SELECT count(*) FROM analytics.household_value"."""
    if as_json and as_csv:
        raise BadInputError("--json and --csv exclude each other", hint="choose one of them")
    from lake.mesh.session import open_session

    text = sys.stdin.read() if statement == "-" else statement
    with open_session(load_settings()) as session:
        answer = session.query(text, environment=env)
    columns = list(answer.column_names)
    if as_json:
        print_json(answer.to_pylist())
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(_rows(answer))
    else:
        shown = answer.slice(0, limit) if limit else answer
        print_table("", columns, _rows(shown))
        if answer.num_rows > shown.num_rows:
            err.print(f"{shown.num_rows} of {answer.num_rows} rows; --limit 0 shows all")


def _rows(table: Any) -> list[tuple[Any, ...]]:
    """Return the rows as tuples, whatever the names of the columns (two may be equal)."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

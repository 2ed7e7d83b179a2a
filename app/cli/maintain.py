"""`lake maintain`: care for tables."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import frame
from lake.settings import load_settings

Tables = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SCHEMA.TABLE]...", help="All tables of landing when none is named."),
]


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("maintain")(maintain)


def maintain(
    tables: Tables = None, *, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False
) -> None:
    """Put small files together, expire old snapshots, delete files that nothing reaches for a day."""
    from lake.catalog import list_tables, open_catalog
    from lake.catalog.inventory import folders
    from lake.clock import SystemClock
    from lake.errors import BadInputError, TerminalError
    from lake.maintenance.care import care_for
    from lake.types import TableName

    settings = load_settings()
    catalog = open_catalog(settings)
    try:
        wanted = [TableName.parse(text) for text in tables or ()]
    except ValueError as error:
        raise BadInputError(str(error), hint="lake maintain raw.transactions") from error
    schemas = (settings.landing.raw_schema, settings.landing.quarantine_schema)
    names = wanted or [name for schema in schemas for name in list_tables(catalog, schema)]
    with (
        frame.act(settings, "maintain", target=" ".join(tables or ()), reason=reason) as detail,
        frame.progress("tables", len(names)) as show,
    ):
        places = folders(catalog)
        done, failures = [], []
        for count, name in enumerate(names, start=1):
            try:
                done.append(care_for(catalog, name, clock=SystemClock(), folders=places))
            except TerminalError as error:  # the others have nothing to do with it
                failures.append(error)
            show(count)
        detail["tables"] = len(done)
        if failures:
            raise failures[0]
    if as_json:
        frame.print_json(done)
        return
    columns = ("table", "files before", "after", "snapshots expired", "files deleted", "waiting")
    rows = [
        (
            c.table,
            c.compacted.before,
            c.compacted.after,
            c.expired,
            c.swept.deleted if c.swept else None,
            c.swept.waiting if c.swept else None,
        )
        for c in done
    ]
    frame.print_table("Maintenance", columns, rows)

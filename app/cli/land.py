"""`lake land`: one file into a stream."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from app.cli import frame
from lake.settings import load_settings

File = Annotated[str, typer.Argument(help="CSV, JSON or Parquet; a path or s3://bucket/key.")]
Stream = Annotated[str, typer.Option("--stream", help="Whose contract it must keep.")]
Form = Annotated[
    Literal["csv", "json", "parquet"] | None, typer.Option("--format", help="If the ending doesn't say.")
]
Zone = Annotated[str, typer.Option("--zone", help="Of times that have none, as Europe/Berlin.")]


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("land")(land)


def land(
    file: File,
    stream: Stream,
    *,
    form: Form = None,
    zone: Zone = "",
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Check a file against a stream's contract and land it; the same content lands once."""
    from ingest.extract.files.land import land_file

    settings = load_settings()
    with (
        frame.act(settings, "land", target=f"{file} {stream}", reason=reason) as detail,
        frame.progress("rows read") as show,
    ):
        report = land_file(
            settings, file, stream, form=form, zone=zone, on_progress=lambda _name, rows: show(rows)
        )
        detail |= {"landed": report.landed, "quarantined": report.quarantined}
    if as_json:
        frame.print_json(report)
        return
    if not report.commits:
        frame.say("nothing new: this content has landed before")
        return
    rows = "row" if report.landed == 1 else "rows"
    frame.say(f"{report.landed:,} {rows} landed in {report.stream}, {report.quarantined:,} quarantined")

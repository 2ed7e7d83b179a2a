"""`lake extract`: fetch what is new from APIs, files, databases and resources of dlt."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import frame
from lake.settings import load_settings

cli = typer.Typer(help="Extracts from APIs, files, databases and resources of dlt.", no_args_is_help=True)

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[SOURCE[/RESOURCE]]...", help="All of them when none is named.")
]


@cli.command("run")
def run(names: Names = None, *, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False) -> None:
    """Fetch and land what is new; a second run moves nothing."""
    from ingest.extract.run import run_sources

    settings, wanted = load_settings(), tuple(names or ())
    fetched: dict[str, int] = {}
    with (
        frame.act(settings, "extract.run", target=" ".join(wanted), reason=reason) as detail,
        frame.progress("records fetched") as show,
    ):

        def on_progress(name: str, records: int) -> None:
            fetched[name] = records
            show(sum(fetched.values()))

        reports = run_sources(settings, wanted, on_progress=on_progress)
        detail["landed"] = {f"{r.source}/{r.resource}": r.landed for r in reports}
        detail["quarantined"] = sum(r.quarantined for r in reports)
    if as_json:
        frame.print_json(reports)
        return
    columns = ("extract", "fetched", "landed", "quarantined", "commits", "since", "seconds")
    rows = [
        (
            f"{r.source}/{r.resource}",
            r.fetched,
            r.landed,
            r.quarantined,
            r.commits,
            r.since,
            f"{r.seconds:.1f}",
        )
        for r in reports
    ]
    frame.print_table("Extracts", columns, rows)
    if not any(r.landed or r.quarantined for r in reports):
        frame.say("nothing new")


@cli.command("status")
def status(*, as_json: frame.JsonFlag = False) -> None:
    """Show how far each extract is; asks the tables, not the APIs."""
    from ingest.extract.status import extract_status

    found = extract_status(load_settings())
    if as_json:
        frame.print_json(found)
        return
    columns = (
        "extract", "kind", "stream", "rows", "quarantined", "since", "files", "last commit", "bad share",
        "breaker",
    )  # fmt: skip
    rows = [
        (
            f"{s.source}/{s.resource}",
            s.kind,
            s.stream,
            s.rows,
            s.quarantined,
            s.since if not s.under_way else f"{s.since or 'beginning'}, under way",
            s.files or None,
            s.last_commit,
            None if s.pace.bad_share is None else f"{s.pace.bad_share:.4%}",
            s.breaker,
        )
        for s in found
    ]
    frame.print_table("Extracts", columns, rows)

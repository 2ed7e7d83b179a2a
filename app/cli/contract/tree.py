"""The commands of `lake contract`, by name."""

from __future__ import annotations

import typer

from app.cli.contract import change, check, docs, listing, new

cli = typer.Typer(help="Contracts of the streams.", no_args_is_help=True)
cli.command("list")(listing.list_contracts)
cli.command("show")(listing.show)
cli.command("check")(check.check)
cli.command("new")(new.new)
cli.command("diff")(change.diff)
cli.command("deploy")(change.deploy)
cli.command("docs")(docs.docs)
cli.command("external")(listing.external)

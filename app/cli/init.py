"""`lake init`: a project of one's own, outside of this repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.frame import say


def register(cli: typer.Typer) -> None:
    """Add the command to the tree."""
    cli.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")],
) -> None:
    """Make a working project: config, one contract, one model, one test. There is no audit log yet."""
    from app.starter import lay_out

    project = lay_out(folder)
    for path in sorted(p for p in project.root.rglob("*") if p.is_file()):
        say(str(path.relative_to(project.root)))
    say(f"next: cd {folder} && lake up")

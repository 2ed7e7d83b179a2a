"""`lake console`: start the console and say where it is."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from app.cli.frame import JsonFlag, act, out, print_json, say
from lake.settings import find_project, load_settings

Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="On 127.0.0.1.")]
Open = Annotated[
    bool | None, typer.Option("--open/--no-open", help="Open a browser; by default when run in a terminal.")
]
Foreground = Annotated[bool, typer.Option("--foreground", help="Run it here until Ctrl-C.")]


def register(cli: typer.Typer) -> None:
    """Add the command to the tree."""
    cli.command()(console)


def console(
    *, port: Port = None, open_browser: Open = None, foreground: Foreground = False, as_json: JsonFlag = False
) -> None:
    """Show health, lineage and activation in a browser; read-only, ended by `lake down`."""
    from app.console.service import address, run_in_foreground, start_console

    project = find_project()
    settings = load_settings(project=project)
    if foreground:
        say(f"console at {address(port or settings.console_port)}; Ctrl-C ends it")
        raise typer.Exit(run_in_foreground(project, settings, port=port))
    with act(settings, "console"):
        url = start_console(project, settings, port=port)
    if as_json:
        print_json({"url": url})
    else:
        say(f"console at {url}")
    if open_browser or (open_browser is None and out.is_terminal and not as_json):
        webbrowser.open(url)

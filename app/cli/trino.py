"""`lake trino`: who may sign in to Trino, and what they may read there."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from app.cli import frame
from lake.settings import Project, find_project, load_settings

cli = typer.Typer(help="Trino: users, and the rules for what they read.", no_args_is_help=True)

Out = Annotated[Path | None, typer.Option("--out", help="The file; by default that of the stack's Trino.")]


@cli.command("rules")
def rules(*, out: Out = None, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False) -> None:
    """Write the access rules from contracts and models; a running Trino follows within seconds."""
    from lake.mesh.access import write_rules

    project = find_project()
    settings = load_settings(project=project)
    path = out or _folder(project) / "rules.json"
    with frame.act(settings, "trino.rules", target=str(path), reason=reason) as detail:
        masked = write_rules(project, settings, path)
        detail["masked"] = masked
    if as_json:
        frame.print_json({"file": str(path), "masked": masked})
    else:
        frame.say(f"{path}: {masked} masks")


@cli.command("user")
def user(
    name: Annotated[str, typer.Argument(help="Who signs in: a-z, 0-9 and . _ @ -")],
    *,
    out: Out = None,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Give somebody a new password and print it, this once; Trino follows within seconds."""
    from lake.stack.passwords import write_password

    project = find_project()
    path = out or _folder(project) / "password.db"
    password = secrets.token_urlsafe(24)
    with frame.act(load_settings(project=project), "trino.user", target=name, reason=reason):
        write_password(path, name, password)
    if as_json:
        frame.print_json({"user": name, "password": password})
    else:
        frame.say(f"{name} signs in with {password}")


@cli.command("owner")
def owner(*, out: Out = None, reason: frame.ReasonOption = "") -> None:
    """Let the user of the settings sign in with the password of the settings, on a Trino of your own."""
    from lake.stack.passwords import write_password

    project = find_project()
    settings = load_settings(project=project)
    path = out or _folder(project) / "password.db"
    with frame.act(settings, "trino.owner", target=settings.trino.user, reason=reason):
        write_password(path, settings.trino.user, settings.trino.password.get_secret_value())
    frame.say(f"{settings.trino.user} may sign in")


def _folder(project: Project) -> Path:
    folder = project.state / "trino"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

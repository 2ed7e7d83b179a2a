"""`lake env`: the environment of the git branch, and what to do with environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import frame
from lake.settings import Project, Settings, find_project, load_settings

if TYPE_CHECKING:
    from lake.mesh.environments import EnvironmentFacts

cli = typer.Typer(help="Environments: one per git branch, each a set of views that costs nothing.")


@cli.callback(invoke_without_command=True)
def env(context: typer.Context, *, as_json: frame.JsonFlag = False) -> None:
    """Print the environment of the branch that is checked out; `lake plan` plans for it."""
    if context.invoked_subcommand is not None:
        return
    from lake.mesh.branch import current_environment

    project, settings = _project()
    name = current_environment(project.root, settings.environments)
    if as_json:
        frame.print_json({"environment": name})
        return
    frame.say(name)


@cli.command("list")
def list_environments(*, as_json: frame.JsonFlag = False) -> None:
    """List the environments: views, models that differ from prod, when each was planned and expires."""
    from lake.mesh import environments
    from lake.mesh.context import WarmContext

    project, _ = _project()
    warm = WarmContext(project)
    try:
        facts = environments.list_environments(warm)
    finally:
        warm.close()
    if as_json:
        frame.print_json(facts)
        return
    columns = ("environment", "views", "differ from prod", "planned", "expires")
    frame.print_table("Environments", columns, [_row(fact) for fact in facts])


@cli.command("drop")
def drop(
    name: Annotated[str, typer.Argument(help="The environment; the branch's when left out.")] = "",
    *,
    reason: frame.ReasonOption = "",
) -> None:
    """Take an environment's views away; the janitor takes its tables."""
    from lake.mesh import environments
    from lake.mesh.branch import current_environment
    from lake.mesh.context import WarmContext

    project, settings = _project()
    target = name or current_environment(project.root, settings.environments)
    warm = WarmContext(project)
    try:
        with frame.act(settings, "env.drop", target=target, reason=reason):
            environments.drop_environment(warm, target)
    finally:
        warm.close()
    frame.say(f"{target} is gone; lake env janitor takes the tables that nobody uses")


@cli.command("janitor")
def janitor(
    *,
    ignore_ttl: Annotated[
        bool, typer.Option("--ignore-ttl", help="Drop unused tables now, not a week after their last use.")
    ] = False,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Drop environments that have expired and tables that no environment uses."""
    from lake.mesh import environments
    from lake.mesh.context import WarmContext

    project, settings = _project()
    warm = WarmContext(project)
    try:
        with frame.act(settings, "env.janitor", reason=reason) as detail:
            gone = environments.clean_up(warm, ignore_ttl=ignore_ttl)
            detail["environments"] = list(gone)
    finally:
        warm.close()
    if as_json:
        frame.print_json({"environments": gone})
        return
    frame.say(f"expired: {', '.join(gone)}" if gone else "no environment has expired")


def _project() -> tuple[Project, Settings]:
    project = find_project()
    return project, load_settings(project=project)


def _row(fact: EnvironmentFacts) -> tuple[object, ...]:
    finished = f"{fact.finished_at:%Y-%m-%d %H:%M}" if fact.finished_at else "not finished"
    expires = f"{fact.expires_at:%Y-%m-%d %H:%M}" if fact.expires_at else "never"
    return fact.name, fact.views, fact.built, finished, expires

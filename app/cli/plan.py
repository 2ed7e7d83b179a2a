"""`lake plan|run|diff`: stock SQLMesh for the environment of the git branch, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import frame
from app.cli.plan_page import markdown, run_text, text
from lake.errors import RefusedError
from lake.settings import Project, Settings, find_project, load_settings

# Everything that the stock command knows passes through; this page names what is used most.
_PASS = {"allow_extra_args": True, "ignore_unknown_options": True}


def register(cli: typer.Typer) -> None:
    """Add the commands to the tree."""
    cli.command("plan", context_settings=_PASS)(plan)
    cli.command("run", context_settings=_PASS)(run)
    cli.command("diff")(diff)


def plan(
    context: typer.Context,
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Say what would happen; apply nothing.")] = False,
    auto_apply: Annotated[bool, typer.Option("--auto-apply", help="Apply without asking.")] = False,
    no_prompts: Annotated[bool, typer.Option("--no-prompts", help="Ask nothing about dates.")] = False,
    summary_file: Annotated[
        Path | None, typer.Option("--summary-file", help="Write the summary here too, as Markdown.")
    ] = None,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Plan the branch's environment, or the one that is named, as `sqlmesh plan` does, and sum it up.

    Every option and argument of `sqlmesh plan` works here. With --json nothing is asked.
    """
    from lake.mesh.context import WarmContext
    from lake.mesh.planning import named_environment, plan_environment

    project = find_project()
    settings = load_settings(project=project)
    flags = {"--explain": explain, "--auto-apply": auto_apply, "--no-prompts": no_prompts}
    arguments = [*(flag for flag, on in flags.items() if on), *context.args]
    environment = _environment(named_environment(arguments), arguments, project, settings)
    warm = WarmContext(project)
    try:
        with frame.act(settings, "plan", target=environment, reason=reason) as detail:
            summary = plan_environment(warm, settings, arguments, quiet=as_json)
            detail.update({"plan_id": summary.plan_id, "applied": summary.applied})
    finally:
        warm.close()
    if summary_file is not None:
        summary_file.write_text(markdown(summary), encoding="utf-8")
    if as_json:
        frame.print_json({**frame.to_plain(summary), "rows": summary.rows, "seconds": summary.seconds})
        return
    for line in text(summary):
        frame.say(line)


def run(
    context: typer.Context,
    *,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Build what is due in the branch's environment, or in one that is named (lake run prod), and sum it up.

    Every option and argument of `sqlmesh run` works here. Exit code 5 when a model failed or was refused.
    """
    from lake.mesh.context import WarmContext
    from lake.mesh.running import named_environment, run_environment

    project = find_project()
    settings = load_settings(project=project)
    arguments = list(context.args)
    environment = _environment(named_environment(arguments), arguments, project, settings)
    warm = WarmContext(project)
    try:
        with frame.act(settings, "run", target=environment, reason=reason) as detail:
            summary = run_environment(warm, settings, arguments, quiet=as_json)
            detail.update({"models": len(summary.models), "rows": summary.rows})
            if as_json:
                frame.print_json(
                    {**frame.to_plain(summary), "rows": summary.rows, "seconds": summary.seconds}
                )
            else:
                for line in run_text(summary):
                    frame.say(line)
            if summary.failed:
                names = ", ".join(model.model for model in summary.failed)
                raise RefusedError(f"not published: {names}", hint=f"mend them, then lake run {environment}")
    finally:
        warm.close()


def _environment(named: str, arguments: list[str], project: Project, settings: Settings) -> str:
    """Return the environment that the arguments name; else the branch's, which joins them."""
    from lake.mesh.branch import current_environment

    if named:
        return named
    environment = current_environment(project.root, settings.environments)
    arguments.append(environment)
    return environment


def diff(
    environment: Annotated[str, typer.Argument(help="The environment; the branch's when left out.")] = "",
    *,
    against: Annotated[str, typer.Option("--against", help="What it is compared with.")] = "prod",
    limit: Annotated[int, typer.Option(help="Rows that SQLMesh shows of each model.")] = 20,
    as_json: frame.JsonFlag = False,
) -> None:
    """Compare the rows of every changed model with prod's; exit code 0 also when they differ."""
    from lake.mesh.branch import current_environment
    from lake.mesh.context import WarmContext
    from lake.mesh.diffing import diff_environments

    project = find_project()
    settings = load_settings(project=project)
    target = environment or current_environment(project.root, settings.environments)
    warm = WarmContext(project)
    try:
        found = diff_environments(warm, source=against, target=target, limit=limit, quiet=as_json)
    finally:
        warm.close()
    if as_json:
        frame.print_json(found)
        return
    columns = ("model", "equal", "changed", f"only in {against}", f"only in {target}", "columns")
    rows = [
        (
            d.model,
            d.equal,
            d.changed,
            d.only_in_source,
            d.only_in_target,
            " ".join(
                [
                    *(f"+{c}" for c in d.columns_added),
                    *(f"-{c}" for c in d.columns_removed),
                    *d.columns_retyped,
                ]
            ),
        )
        for d in found
    ]
    if rows:
        frame.print_table(f"{target} against {against}", columns, rows)
    else:
        frame.say(f"{target} has no table of its own: nothing differs from {against}")

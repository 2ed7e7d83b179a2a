"""`lake connect`: keep Redpanda Connect's streams as `ingest/pipelines/` describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import frame
from lake.errors import RefusedError
from lake.settings import find_project, load_settings

if TYPE_CHECKING:
    from ingest.connect.apply import Applied
    from ingest.connect.service import Connect

cli = typer.Typer(help="Streams of Redpanda Connect.", no_args_is_help=True)

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[PIPELINE]...", help="All of them when none is named.")
]
Some = Annotated[list[str], typer.Argument(metavar="PIPELINE...")]


@cli.command("plan")
def plan(names: Names = None, *, as_json: frame.JsonFlag = False) -> None:
    """Show what apply would do; changes nothing. Configurations are shown as hashes: they hold secrets."""
    found = _connect().plan(names or ())
    if as_json:
        frame.print_json(found.actions)
        return
    rows = [(a.stream, a.step.value, a.running, a.wanted) for a in found.actions]
    frame.print_table("Streams", ("stream", "step", "running", "wanted"), rows)
    if not found.changes:
        frame.say("nothing to do: all streams are as described")


@cli.command("apply")
def apply(names: Names = None, *, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False) -> None:
    """Create, update and delete streams of this project and read them back; others are not touched."""
    connect = _connect()
    with frame.act(load_settings(), "connect.apply", target=" ".join(names or ()), reason=reason) as detail:
        done = connect.apply(names or ())
        _finish(done, detail, as_json=as_json)
    if not done and not as_json:
        frame.say("nothing to do: all streams are as described")


@cli.command("delete")
def delete(names: Some, *, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False) -> None:
    """Stop streams of this project; apply starts those that are still described."""
    connect = _connect()
    with frame.act(load_settings(), "connect.delete", target=" ".join(names), reason=reason) as detail:
        _finish(connect.delete(names), detail, as_json=as_json)


@cli.command("status")
def status(*, as_json: frame.JsonFlag = False) -> None:
    """Show how each stream stands; exit code 5 when one is not as described, absent or not connected."""
    from ingest.connect.service import StreamState

    found, not_ready = _connect().status()
    if as_json:
        frame.print_json({"streams": found, "not_connected": not_ready})
    else:
        rows = [(s.stream, s.state.value, s.uptime_seconds and f"{s.uptime_seconds:.0f} s") for s in found]
        frame.print_table("Streams", ("stream", "state", "uptime"), rows)
    wrong = [s.stream for s in found if s.state not in {StreamState.RUNNING, StreamState.ENDED}]
    if wrong:
        raise RefusedError(f"not as described: {', '.join(wrong)}", hint="lake connect plan")
    if not_ready:
        raise RefusedError(f"connect: {not_ready}", hint="lake connect stats, and Connect's own log")


@cli.command("stats")
def stats(names: Names = None, *, as_json: frame.JsonFlag = False) -> None:
    """Show the counters of streams."""
    found = _connect().stats(names or ())
    if as_json:
        frame.print_json(found)
        return
    rows = [
        (name, counter, value) for name, values in found.items() for counter, value in sorted(values.items())
    ]
    frame.print_table("Counters", ("stream", "counter", "value"), rows)


def _connect() -> Connect:
    from ingest.connect.service import Connect

    project = find_project()
    return Connect(load_settings(project=project), project.pipelines)


def _finish(done: tuple[Applied, ...], detail: dict[str, Any], *, as_json: bool) -> None:
    """Report what was done; raises when a stream is not as wanted."""
    detail["streams"] = {a.stream: a.error or a.step.value for a in done}
    if as_json:
        frame.print_json(done)
    elif done:
        rows = [(a.stream, a.step.value, a.error or "done") for a in done]
        frame.print_table("Streams", ("stream", "step", "result"), rows)
    if failed := [a for a in done if a.error]:
        raise RefusedError("; ".join(f"{a.stream}: {a.error}" for a in failed), hint="lake connect status")

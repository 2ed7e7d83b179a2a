"""`lake history` and `lake trace`: what the models did, and what made a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import frame
from lake.errors import BadInputError
from lake.settings import load_settings

if TYPE_CHECKING:
    from lake.mesh.trace import Trace

cli = typer.Typer(help="The history of plans, runs, builds and audits.", no_args_is_help=True)


def register(tree: typer.Typer) -> None:
    """Add the commands to the tree."""
    tree.add_typer(cli, name="history")
    tree.command("trace")(trace)


@cli.command("append")
def append(*, as_json: frame.JsonFlag = False) -> None:
    """Append what is new to the tables of ops: plans, runs, builds, audits, promotions and activation."""
    from lake.mesh.ops import append_history

    written = append_history(load_settings())
    if as_json:
        frame.print_json(written)
        return
    frame.say(", ".join(f"{rows} {kind.replace('_', ' ')}" for kind, rows in written.items()))


@cli.command("plans")
def plans(
    *,
    environment: Annotated[str | None, typer.Option("--env", help="Of this environment only.")] = None,
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 20,
    as_json: frame.JsonFlag = False,
) -> None:
    """List applied plans, newest first."""
    from lake.control import read_plans

    found = read_plans(load_settings().postgres, environment=environment, limit=limit)
    if as_json:
        frame.print_json(found)
        return
    rows = [
        (
            f"{p.started_at:%Y-%m-%d %H:%M:%S}",
            p.environment,
            p.actor,
            p.result.value,
            ", ".join(
                f"{len(names)} {how}" for how, names in p.changes.items() if names and how != "categories"
            ),
            p.plan_id,
        )
        for p in found
    ]
    frame.print_table("Plans", ("started", "environment", "who", "result", "models", "plan"), rows)


def trace(
    name: Annotated[str, typer.Argument(help="schema.table, or schema.table@SNAPSHOT.")],
    *,
    as_json: frame.JsonFlag = False,
) -> None:
    """Say what published a table's snapshot: model, version, interval, run, plan and audits."""
    from lake.mesh.trace import trace as find

    table, _, snapshot = name.partition("@")
    if snapshot and not snapshot.isdigit():
        raise BadInputError(f"{snapshot!r} is no snapshot id", hint="lake trace analytics.household_value")
    found = find(load_settings(), table, snapshot=int(snapshot) if snapshot else None)
    if as_json:
        frame.print_json(found)
        return
    for one in found:
        _print(one)


def _print(one: Trace) -> None:
    frame.say(f"{one.table}@{one.snapshot} since {one.at:%Y-%m-%d %H:%M:%S} UTC")
    if not one.recorded:
        frame.say("  no model published it: landing, maintenance or somebody else did")
        return
    frame.say(f"  {one.model} version {one.fingerprint}: {one.interval_start} to {one.interval_end}")
    frame.say(f"  {one.rows} rows in {one.seconds or 0:.1f} s on {one.engine}, attempt {one.attempt}")
    frame.say(f"  {one.run_kind} {one.run} of {one.environment} by {one.actor}, plan {one.plan or 'none'}")
    for audit in one.audits:
        blocking = "" if audit.blocking else ", not blocking"
        frame.say(f"  audit {audit.audit}: {audit.status}, {audit.failing or 0} rows{blocking}")

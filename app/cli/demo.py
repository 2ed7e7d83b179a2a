"""`lake demo`: from nothing to proof, and the rest of the year live."""

from __future__ import annotations

import subprocess
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.frame import JsonFlag, act, err, print_json, print_table, say
from lake.errors import RefusedError, TerminalError
from lake.settings import find_project, load_settings

if TYPE_CHECKING:
    from app.demo.proof import Proof

cli = typer.Typer(help="The demo: a retailer's year, from its topics to its CRM.", no_args_is_help=True)

AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Make it that day, 00:00 UTC (first run only)."),
]
Rate = Annotated[float | None, typer.Option("--rate", min=1, help="Events per second (default: full speed).")]


@cli.command()
def run(*, as_of: AsOf = None, rate: Rate = None, as_json: JsonFlag = False) -> None:
    """Start everything, land, extract, plan, activate; print the proof, exit code 5 when a sum is wrong."""
    from app.demo.run import run_demo

    day: date | None = None if as_of is None else as_of.date()
    proof = run_demo(find_project(), as_of=day, rate=rate, say=_quiet if as_json else say, working=err.status)
    if as_json:
        print_json({"proof": proof, "violations": proof.violations()})
    else:
        _print_proof(proof)
    if wrong := proof.violations():
        raise RefusedError("the proof failed: " + "; ".join(wrong), hint="lake logs, lake ingest status")


@cli.command()
def live() -> None:
    """Produce the later events when they are due; ends with a message when none is left. Ctrl-C stops it."""
    from app.demo.systems import SourceSystems

    project = find_project()
    systems = SourceSystems(project=project)
    settings = load_settings(project=project)
    with act(settings, "demo live"):
        code = subprocess.run(
            systems.live_argv(settings), cwd=project.root, env=systems.environment(settings), check=False
        ).returncode
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise TerminalError(f"the live events stopped with exit code {code}", hint="lake status")
    say("next: lake ingest run && sqlmesh run")


@cli.command()
def promotions(*, as_json: JsonFlag = False) -> None:
    """Land 20.9 million promotions and build their mart; a second time moves nothing. Needs lake demo run."""
    from app.demo.promotions import land_promotions

    project = find_project()
    with act(load_settings(project=project), "demo promotions") as detail:
        proof = land_promotions(project, say=_quiet if as_json else say, working=err.status)
        detail |= {"landed": proof.landed, "already_done": proof.already_done}
    if as_json:
        print_json({"proof": proof, "violations": proof.violations()})
    else:
        if proof.already_done:
            say("already done")
        sums = f"landed {proof.landed:,} + quarantined {proof.quarantined:,}; duplicates {proof.duplicates:,}"
        say(f"source {proof.source:,} = {sums}; counted in the mart {proof.built:,}")
    if wrong := proof.violations():
        raise RefusedError("the proof failed: " + "; ".join(wrong), hint="lake extract status")


def _quiet(_line: str) -> None:
    """Say nothing: stdout belongs to the JSON document."""


def _print_proof(proof: Proof) -> None:
    say("\nThe proof\n")
    counts = {
        "source": [s.source for s in proof.streams],
        "+ planted": [s.planted for s in proof.streams],
        "= produced": [s.produced for s in proof.streams],
        "+ not yet due": [s.not_due for s in proof.streams],
        "produced = landed": [s.landed for s in proof.streams],
        "+ quarantined": [s.quarantined for s in proof.streams],
        "duplicates": [s.duplicates for s in proof.streams],
    }
    print_table(
        "source + planted = produced + not yet due; produced = landed + quarantined",
        ("", *(s.stream for s in proof.streams)),
        [(name, *_counts(*values)) for name, values in counts.items()],
    )
    extracts = [(e.stream, *_counts(e.served, e.landed, e.quarantined, e.duplicates)) for e in proof.extracts]
    print_table(
        "served = landed + quarantined",
        ("extract", "served", "landed", "quarantined", "duplicates"),
        extracts,
    )
    activation = proof.activation
    say(f"audits: {proof.audits.passed:,} passed, {proof.audits.failed:,} failed")
    say(
        f"{activation.sync}: mart {activation.wanted:,} = ledger {activation.ledger:,}"
        f" = destination {activation.destination:,}"
    )
    took = ", ".join(f"{s.step} {s.seconds:.1f} s" for s in proof.steps)
    say(f"seconds: {took}; together {sum(s.seconds for s in proof.steps):.1f} s")
    if not proof.violations():
        say("\nproven: nothing lost, nothing doubled. Everything stays up until make down.")


def _counts(*values: int) -> tuple[str, ...]:
    return tuple(f"{value:,}" for value in values)

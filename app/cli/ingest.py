"""`lake ingest`: land topics, and show how far landing is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Annotated, Any

import typer

from app.cli import frame
from lake.errors import BadInputError
from lake.settings import find_project, load_settings

cli = typer.Typer(help="Landing of topics.", no_args_is_help=True)

Streams = Annotated[
    list[str] | None, typer.Argument(metavar="[STREAM]...", help="All of them when none is named.")
]
MetricsPort = Annotated[
    int,
    typer.Option("--metrics-port", min=0, max=65535, help="Serve /metrics on 127.0.0.1 while it follows."),
]
Follow = Annotated[bool, typer.Option("--follow", help="Go on until stopped.")]


@cli.command("run")
def run(
    streams: Streams = None,
    *,
    follow: Follow = False,
    metrics_port: MetricsPort = 0,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Land what the topics hold, each record once; a second run lands nothing."""
    from ingest.landing import choose, run_streams
    from ingest.metrics import LandingMetrics, harmless
    from ingest.status import read_status
    from lake.contracts import load_contracts

    if metrics_port and not follow:
        raise BadInputError("--metrics-port goes with --follow", hint="add --follow")
    settings = load_settings()
    project = load_contracts(find_project().contracts)
    contracts = choose(project, streams or ())
    metrics = LandingMetrics(lambda: read_status(settings, contracts))
    stop = Event()
    if follow:
        _stop_on_signals(stop)
    counts: dict[str, int] = {}
    with (
        frame.act(settings, "ingest.run", target=" ".join(streams or ()), reason=reason) as detail,
        frame.progress("records landed") as show,
        _served(metrics, metrics_port),
    ):

        def on_progress(progress: Any) -> None:
            counts[progress.stream] = progress.landed + progress.quarantined
            show(sum(counts.values()))

        observer = harmless(metrics.observe, on_progress)
        reports = run_streams(
            settings, contracts, project=project, follow=follow, observer=observer, stop=stop
        )
        detail["landed"] = {r.stream: r.landed for r in reports}
        detail["quarantined"] = {r.stream: r.quarantined for r in reports}
    if as_json:
        frame.print_json(reports)
        return
    columns = ("stream", "landed", "quarantined", "commits", "seconds", "rows/s")
    rows = [
        (r.stream, r.landed, r.quarantined, r.commits, f"{r.seconds:.1f}", f"{r.rows_per_second:.0f}")
        for r in reports
    ]
    frame.print_table("Landing", columns, rows)
    if all(r.was_idle for r in reports):
        frame.say("nothing new: everything had landed already")


@cli.command("resume")
def resume(
    stream: Annotated[str, typer.Argument(help="A stream whose circuit breaker is open.")],
    *,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Close a stream's circuit breaker; what its log holds now is let through, bad records to quarantine."""
    import getpass

    from ingest.quarantine.resume import resume as resume_stream
    from lake.contracts import load_contracts

    settings = load_settings()
    if not reason.strip():
        raise BadInputError("a breaker is closed only with a reason", hint='add --reason "…"')
    with frame.act(settings, "ingest.resume", target=stream, reason=reason) as detail:
        done = resume_stream(
            settings,
            load_contracts(find_project().contracts),
            stream,
            actor=getpass.getuser(),
            reason=reason,
        )
        detail["was_open"] = done.was_open
    if as_json:
        frame.print_json(done)
    elif done.was_open:
        frame.say(f"{stream} may land again: lake ingest run {stream}")
    else:
        frame.say(f"the breaker of {stream} is not open")


@cli.command("status")
def status(streams: Streams = None, *, as_json: frame.JsonFlag = False) -> None:
    """Show position, end, lag and pace of every partition, and what stands still."""
    from datetime import UTC, datetime

    from ingest.deploy.review import overdue
    from ingest.status import read_status

    contracts = _contracts(streams)
    found = read_status(load_settings(), contracts)
    if as_json:
        frame.print_json([{**frame.to_plain(s), "lag": s.lag, "lag_seconds": s.lag_seconds} for s in found])
        return
    columns = ("stream", "partition", "position", "end", "lag", "lag s", "last commit")
    rows = [
        (s.stream, p.partition, p.position, p.end, p.lag, _number(p.lag_seconds), s.last_commit)
        for s in found
        for p in s.partitions
    ]
    frame.print_table("Landing", columns, rows)
    frame.print_table(
        "Pace",
        ("stream", "records/s", "commits/min", "bad share", "late p50 s", "late p99 s", "breaker"),
        [
            (
                s.stream,
                _number(s.pace.records_per_second),
                _number(s.pace.commits_per_minute),
                None if s.pace.bad_share is None else f"{s.pace.bad_share:.4%}",
                _number(s.pace.lateness.p50 if s.pace.lateness else None),
                _number(s.pace.lateness.p99 if s.pace.lateness else None),
                s.breaker,
            )
            for s in found
        ],
    )
    for warning in overdue(contracts, datetime.now(UTC).date()):
        frame.say(f"warning: {warning}")
    for s in found:
        if s.problem:
            frame.say(f"{s.stream}: {s.problem}")
        if s.breaker == "open":
            frame.say(f'{s.stream}: its circuit breaker is open; lake ingest resume {s.stream} --reason "…"')


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"


@contextmanager
def _served(metrics: Any, port: int) -> Iterator[None]:
    """Serve /metrics during the block when a port is given."""
    if not port:
        yield
        return
    try:
        close = metrics.serve(port)
    except OSError as error:
        raise BadInputError(f"port {port} can't be used: {error}", hint="choose another") from error
    try:
        yield
    finally:
        close()


def _contracts(streams: list[str] | None) -> Any:
    from ingest.landing import choose
    from lake.contracts import load_contracts

    return choose(load_contracts(find_project().contracts), streams or ())


def _stop_on_signals(stop: Event) -> None:
    """End `--follow` after the commit under way; a second signal ends at once."""

    def end(number: int, frame: Any) -> None:
        del frame
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)

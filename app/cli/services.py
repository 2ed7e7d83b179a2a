"""`lake up`, `down`, `status`, `logs`, `doctor` and `migrate`: the face of `lake.stack`."""

from __future__ import annotations

import signal
from enum import StrEnum
from types import FrameType
from typing import Annotated, Any

import typer

from app.cli.frame import JsonFlag, ReasonOption, act, err, out, print_json, print_table, say, to_plain
from lake.errors import ConfigurationError, UnavailableError
from lake.settings import find_project, load_settings

NewPorts = Annotated[bool, typer.Option("--new-ports", help="Forget the remembered ports (stack down).")]


class Extra(StrEnum):
    """Servers that run only when they are asked for."""

    TRINO = "trino"  # installed by `make trino`


With = Annotated[list[Extra] | None, typer.Option("--with", help="A server to run beside the three.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to the tree."""
    cli.command()(up)
    cli.command()(down)
    cli.command()(status)
    cli.command()(logs)
    cli.command()(doctor)
    cli.command()(migrate)


def up(
    *,
    extras: With = None,
    new_ports: NewPorts = False,
    reason: ReasonOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Start the embedded services that don't run; the others stay as they are."""
    from lake.control import migrate as apply_migrations
    from lake.mesh.access import write_rules
    from lake.stack import start

    project = find_project()
    _end_by_signal_like_by_ctrl_c()
    with err.status("starting") as spinner:
        report = start(
            project,
            on_event=_narrator(spinner, quiet=as_json),
            new_ports=new_ports,
            extras=[extra.value for extra in extras or ()],
        )
    settings = load_settings(project=project)
    migrated = apply_migrations(settings.postgres)
    if any(status.service == Extra.TRINO for status in report.services):
        write_rules(project, settings, project.state / "trino" / "rules.json")
    with act(settings, "up", target=str(project.root), reason=reason) as detail:
        detail.update({"started": report.started, "kept": report.kept, "migrations": migrated})
    if as_json:
        print_json({**to_plain(report), "migrations": migrated})
        return
    if not report.started:
        say("already up")
    _print_statuses(report.services)
    say(f"up in {report.seconds:.1f} s")


def down(*, reason: ReasonOption = "", as_json: JsonFlag = False) -> None:
    """Stop everything of this project that runs: services, console, APIs."""
    from lake.control import migrate as apply_migrations
    from lake.stack import stop

    project = find_project()

    def log_act() -> None:
        """PostgreSQL still answers here; when it died or refuses us, the rest is stopped all the same."""
        try:
            apply_migrations(load_settings(project=project).postgres)  # an `up` may have been killed before
            with act(load_settings(project=project), "down", target=str(project.root), reason=reason):
                pass
        except (UnavailableError, ConfigurationError) as error:
            err.print(f"not in the audit log: {error.message}", markup=False)

    with err.status("stopping") as spinner:
        ended = stop(project, on_event=_narrator(spinner, quiet=as_json), before_postgres=log_act)
    if as_json:
        print_json({"stopped": ended})
        return
    say(f"stopped {', '.join(ended)}" if ended else "nothing ran")


def status(*, as_json: JsonFlag = False) -> None:
    """Ask every service a real question; exit code 4 when one is silent, 5 when a stream stands still."""
    from lake.stack import ServiceState, inspect

    found = inspect(find_project())
    pending, alarms = _standing(found)
    if as_json:
        print_json(
            {
                "services": found,
                "restatements": [{**to_plain(one), "command": one.command} for one in pending],
                "alarms": alarms,
            }
        )
    else:
        _print_statuses(found)
        _print_standing(pending, alarms)
    if any(s.state is not ServiceState.READY for s in found):
        if not as_json:
            say("next: lake up" if any(s.log for s in found) else "next: lake doctor")
        raise typer.Exit(4)
    if alarms:
        raise typer.Exit(5)


def _standing(found: Any) -> tuple[Any, Any]:
    """Return restatements that failed (`sqlmesh run` doesn't repeat them) and streams that were stopped.

    Neither while the database that knows them is silent: that it is, the services say.
    """
    from lake.control import pending_restatements
    from lake.control.breakers import read_open_breakers
    from lake.stack import ServiceState

    if not any(s.service == "postgres" and s.state is ServiceState.READY for s in found):
        return (), ()
    settings = load_settings().postgres
    return pending_restatements(settings), read_open_breakers(settings)


def _print_standing(pending: Any, alarms: Any) -> None:
    for one in pending:
        say(f"restatement pending ({one.result.value}): {', '.join(one.models)}\n  next: {one.command}")
    for alarm in alarms:
        say(f"ALARM {alarm.stream}: circuit breaker open since {alarm.opened_at:%Y-%m-%d %H:%M:%S}")
        say(f"  {alarm.bad} of {alarm.records} records were bad {alarm.cause}")
    if alarms:
        say('next: lake quarantine list; then lake ingest resume STREAM --reason "…"')


def logs(
    service: Annotated[str | None, typer.Argument(help="One service; all when left out.")] = None,
    *,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print the last lines that the services wrote."""
    from lake.stack.log_tail import follow_logs, read_logs

    project = find_project()
    for line in read_logs(project, service, lines=lines):
        typer.echo(line)
    if follow:
        for line in follow_logs(project, service):
            typer.echo(line)


def doctor(*, as_json: JsonFlag = False) -> None:
    """Check what the embedded stack needs; every problem comes with the next command."""
    from lake.stack.doctor import examine

    findings = examine(find_project())
    if as_json:
        print_json(findings)
    else:
        rows = [
            ("ok" if f.ok else "PROBLEM", f.check, f.detail, "" if f.ok else f.next_step) for f in findings
        ]
        print_table("doctor", ("", "check", "found", "next"), rows)
    if not all(f.ok for f in findings):
        raise typer.Exit(3)


def migrate(*, as_json: JsonFlag = False) -> None:
    """Bring the control database up to date; `lake up` does it for the services that it starts."""
    from lake.control import migrate as apply_migrations

    settings = load_settings()
    applied = apply_migrations(settings.postgres)
    with act(settings, "migrate", target=settings.postgres.database) as detail:
        detail["migrations"] = applied
    if as_json:
        print_json({"migrations": applied})
    else:
        say(f"{len(applied)} migrations applied" if applied else "up to date")


def _print_statuses(found: Any) -> None:
    rows = [
        (s.service, s.state.value, s.address, s.detail, s.pid, s.memory_mb and f"{s.memory_mb:.0f} MB")
        for s in found
    ]
    print_table("services", ("service", "state", "address", "answer", "pid", "memory"), rows)


def _narrator(spinner: Any, *, quiet: bool) -> Any:
    """Tell what happens: a line each where nobody watches, else beside the spinner."""

    def tell(event: Any) -> None:
        text = f"{event.service} {event.kind.value}"
        if out.is_terminal:
            spinner.update(text)
        elif not quiet:
            say(f"{text} ({event.seconds:.1f} s)")

    return tell


def _end_by_signal_like_by_ctrl_c() -> None:
    """`kill` and a closed terminal undo what was started, exactly as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)

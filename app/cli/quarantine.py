"""`lake quarantine`: what was refused and why, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli import frame
from lake.errors import BadInputError
from lake.settings import find_project, load_settings

cli = typer.Typer(help="Records that break their contract.", no_args_is_help=True)

Streams = Annotated[
    list[str] | None, typer.Argument(metavar="[STREAM]...", help="All of them when none is named.")
]
CauseArgument = Annotated[
    str, typer.Argument(metavar="CAUSE", help="stream/rule/path, as `lake quarantine list` shows it.")
]
CauseOption = Annotated[
    str, typer.Option("--cause", help="stream/rule/path, as `lake quarantine list` shows it.")
]
All = Annotated[bool, typer.Option("--all", help="Also causes of which no record is open any more.")]
Limit = Annotated[int, typer.Option(min=1, help="How many records, the newest first.")]
Unmasked = Annotated[
    bool, typer.Option("--unmasked", help="Show personal data too; kept in the audit log with --reason.")
]


@cli.command("list")
def list_causes(streams: Streams = None, *, everything: All = False, as_json: frame.JsonFlag = False) -> None:
    """Show the causes with counts; a record with several causes counts in each."""
    from ingest.quarantine.reading import open_quarantines

    with open_quarantines(load_settings()) as reader:
        found = [c for stream in reader.streams(streams or ()) for c in reader.causes(stream)]
    shown = [c for c in found if everything or c.open]
    if as_json:
        frame.print_json([{**frame.to_plain(c), "cause": str(c.cause)} for c in shown])
        return
    columns = ("cause", "open", "alone", "replayed", "discarded", "versions", "first", "last", "example")
    rows = [
        (
            c.cause,
            c.open,
            c.alone,
            c.replayed,
            c.discarded,
            ", ".join(c.versions),
            f"{c.first_seen:%Y-%m-%d %H:%M:%S}",
            f"{c.last_seen:%Y-%m-%d %H:%M:%S}",
            c.example,
        )
        for c in shown
    ]
    frame.print_table("Quarantine", columns, rows)
    if not shown:
        frame.say("no record is open")


@cli.command("show")
def show(
    cause: CauseArgument,
    *,
    limit: Limit = 10,
    unmasked: Unmasked = False,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Show records of a cause with every rule that they break; personal data is masked."""
    from ingest.quarantine.cause import Cause
    from ingest.quarantine.mask import shown
    from ingest.quarantine.reading import open_quarantines
    from lake.contracts import load_contracts

    wanted, settings = Cause.parse(cause), load_settings()
    if unmasked:
        _require(reason, "personal data is shown only with a reason")
        with frame.act(settings, "quarantine.show", target=str(wanted), reason=reason):
            pass
    contracts = {c.stream: c for c in load_contracts(find_project().contracts)}
    with open_quarantines(settings) as reader:
        reader.streams([wanted.stream])
        found = reader.sample(wanted.stream, wanted, limit=limit)
    records = [shown(r, contracts.get(wanted.stream), unmasked=unmasked) for r in found]
    if as_json:
        frame.print_json(records)
        return
    for record in records:
        _print_record(record)
    if not records:
        frame.say(f"no record has the cause {wanted}")


@cli.command("replay")
def replay(
    *,
    cause: Annotated[str, typer.Option("--cause", help="stream/rule/path, as the list shows it.")] = "",
    stream: Annotated[str, typer.Option("--stream", help="All open records of one stream.")] = "",
    version: Annotated[str, typer.Option("--with", help="Contract version; the newest when left out.")] = "",
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Land the open records that pass the contract now, each once; the others stay with their reason."""
    import getpass

    from ingest.quarantine.cause import Cause
    from ingest.quarantine.reading import open_quarantines
    from ingest.replay import Who, choose_contract
    from ingest.replay import replay as replay_records
    from lake.clock import SystemClock
    from lake.contracts import load_contracts

    if bool(cause) == bool(stream):
        raise BadInputError("say which records: --cause or --stream", hint="lake quarantine list")
    wanted, settings = Cause.parse(cause) if cause else None, load_settings()
    name = wanted.stream if wanted else stream
    contract = choose_contract(load_contracts(find_project().contracts), name, version)
    who = Who(actor=getpass.getuser(), reason=reason)
    with (
        frame.act(settings, "quarantine.replay", target=cause or stream, reason=reason) as detail,
        open_quarantines(settings) as reader,
    ):
        reader.streams([name])
        report = replay_records(reader, contract, cause=wanted, who=who, clock=SystemClock())
        detail.update({"landed": report.landed, "contract": report.contract_version})
    if as_json:
        frame.print_json(report)
        return
    frame.say(
        f"{report.landed} of {report.found} records landed under contract {report.contract_version}"
        if report.found
        else f"no record of {cause or stream} is open"
    )
    if report.elsewhere:
        frame.say(f"{report.elsewhere} were resolved by others meanwhile")
    if report.failing:
        frame.print_table("Still failing", ("cause", "records"), list(report.failing.items()))


@cli.command("discard")
def discard(
    *,
    cause: CauseOption,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Decide that the open records of a cause never land; they stay where they are, with the reason."""
    import getpass

    from ingest.quarantine.cause import Cause
    from ingest.quarantine.discard import discard as discard_records
    from ingest.quarantine.reading import open_quarantines
    from lake.clock import SystemClock

    wanted, settings = Cause.parse(cause), load_settings()
    _require(reason, "records are discarded only with a reason")
    with (
        frame.act(settings, "quarantine.discard", target=str(wanted), reason=reason) as detail,
        open_quarantines(settings) as reader,
    ):
        reader.streams([wanted.stream])
        count = discard_records(reader, wanted, reason=reason, actor=getpass.getuser(), clock=SystemClock())
        detail["discarded"] = count
    if as_json:
        frame.print_json({"cause": str(wanted), "discarded": count})
        return
    frame.say(f"{count} records discarded" if count else f"no open record has the cause {wanted}")


def _require(reason: str, message: str) -> None:
    if not reason.strip():
        raise BadInputError(message, hint='add --reason "…"')


def _print_record(record: dict[str, Any]) -> None:
    frame.say(
        f"{record['coordinate']}  {record['state']}  seen {record['first_seen']:%Y-%m-%d %H:%M:%S}"
        f"  contract {record['contract_version']}"
    )
    for rule in record["rules"]:
        frame.say(f"  {rule['rule']} {rule['path']}: {rule['message']}")
    frame.say(f"  key   {record['key']}")
    frame.say(f"  value {record['value']}")

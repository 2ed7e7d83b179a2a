"""`lake sync plan` and `lake sync apply`: the face of `lake.activation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.frame import JsonFlag, ReasonOption, act, print_json, print_table, progress, say
from lake.settings import find_project, load_settings

if TYPE_CHECKING:
    from lake.activation import Report
    from lake.control.activation_values import StoredPlan

cli = typer.Typer(no_args_is_help=True, help="Keep destinations in step with marts (reverse ETL).")

Name = Annotated[str | None, typer.Argument(help="The sync; may be left out when there is one.")]
_SAMPLE = 10


@cli.command()
def plan(name: Name = None, *, reason: ReasonOption = "", as_json: JsonFlag = False) -> None:
    """Show what would be sent and keep it as the open plan; nothing is sent."""
    from lake.activation import find_sync, make_plan, open_mart
    from lake.clock import SystemClock
    from lake.control.activation import open_store

    project = find_project()
    settings = load_settings(project=project)
    sync = find_sync(project, name)
    with (
        act(settings, "sync.plan", target=sync.name, reason=reason) as detail,
        open_mart(settings) as mart,
        open_store(settings.postgres, sync.name) as store,
    ):
        made = make_plan(sync, mart=mart, store=store, clock=SystemClock())
        store.save_plan(made)
        detail.update({"plan": str(made.plan_id), "digest": made.digest, "changes": len(made.changes)})
    if as_json:
        print_json(_plan_document(made))
    else:
        _print_plan(made)


@cli.command()
def apply(name: Name = None, *, reason: ReasonOption = "", as_json: JsonFlag = False) -> None:
    """Send the open plan, or make one and send it; run it again after any failure."""
    from lake.activation import apply_sync, find_sync, open_destination, open_mart
    from lake.clock import SystemClock
    from lake.control.activation import locked_store

    project = find_project()
    settings = load_settings(project=project)
    sync = find_sync(project, name)
    with (
        act(settings, "sync.apply", target=sync.name, reason=reason) as detail,
        open_mart(settings) as mart,
        open_destination(sync, settings) as target,
        locked_store(settings.postgres, sync.name) as store,
        progress(f"sync {sync.name}") as show,
    ):
        report = apply_sync(
            sync,
            mart=mart,
            target=target,
            store=store,
            clock=SystemClock(),
            progress=lambda done, _total: show(done),
        )
        detail.update(
            {"run": str(report.run_id or ""), "accepted": report.accepted, "rejected": report.rejected}
        )
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if report.mismatched:
        raise typer.Exit(5)


def _plan_document(made: StoredPlan) -> dict[str, Any]:
    from lake.control.activation_values import count_changes

    counts = count_changes(made.changes)
    return {
        "plan_id": made.plan_id,
        "sync": made.sync,
        "digest": made.digest,
        "created_at": made.created_at,
        "mart_rows": made.mart_rows,
        "ledger_rows": made.ledger_rows,
        "snapshots": made.snapshots,
        "creates": counts.creates,
        "updates": counts.updates,
        "deletes": counts.deletes,
        "updates_by_field": counts.updates_by_field,
        "in_doubt": made.in_doubt,
        "guards": made.guards,
        "changes": [
            {"key": c.key, "operation": c.operation, "before": c.before, "after": c.after}
            for c in made.changes
        ],
    }


def _print_plan(made: StoredPlan) -> None:
    from lake.control.activation_values import count_changes

    counts = count_changes(made.changes)
    say(f"sync {made.sync}: {made.mart_rows} records in the mart, {made.ledger_rows} at the destination")
    say(f"  creates {counts.creates}   updates {counts.updates}   deletes {counts.deletes}")
    for field, records in counts.updates_by_field.items():
        say(f"    {field} changes in {records}")
    shown = [
        (c.operation.value, c.key, ", ".join(_difference(c.before, c.after, field) for field in c.fields))
        for c in made.changes[:_SAMPLE]
    ]
    if shown:
        print_table(f"first {len(shown)} of {counts.total}", ("", "key", "fields"), shown)
    if made.in_doubt:
        say(f"  {made.in_doubt} records of a killed run are in doubt; apply sends the same again first")
    for guard in made.guards:
        say(f"  guard: {guard}")
    say(f"plan {made.plan_id} digest {made.digest[:12]}")
    if counts.total or made.in_doubt:
        say(f"next: lake sync apply {made.sync}")
    else:
        say("nothing to send: the destination is in step")


def _difference(before: Any, after: Any, field: str) -> str:
    old, new = (before or {}).get(field), (after or {}).get(field)
    if before is None:
        return f"{field}={new}"
    return f"{field}={old}" if after is None else f"{field} {old} -> {new}"


def _print_report(report: Report) -> None:
    if report.run_id is None:
        say(f"sync {report.sync}: nothing to send, the destination is in step")
        return
    say(f"sync {report.sync}: {report.accepted} records accepted, {report.rejected} refused")
    if report.repeated:
        say(f"  {report.repeated} of them had been left in doubt and were sent again under the same keys")
    if report.verified:
        same = report.verified - len(report.mismatched)
        say(f"  read back {report.verified}: {same} as sent")
    if report.mismatched:
        say(f"  different at the destination: {', '.join(report.mismatched)}")
    if report.rejected:
        say(f"next: lake sync plan {report.sync} plans the refused ones again; the console shows the reasons")

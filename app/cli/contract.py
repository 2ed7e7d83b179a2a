"""`lake contract`: look at the contracts and keep what is generated from them up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import frame
from lake.errors import BadInputError, RefusedError
from lake.settings import Project, find_project

if TYPE_CHECKING:
    from lake.contracts import Contract

cli = typer.Typer(help="Contracts of the streams.", no_args_is_help=True)


@cli.command("check")
def check(*, as_json: frame.JsonFlag = False) -> None:
    """Read every contract and say whether external_models/ matches; exit code 5 when it doesn't."""
    from lake.contracts import load_contracts
    from lake.contracts.external import FILE, is_current

    project = find_project()
    contracts = load_contracts(project.contracts)
    current = is_current(contracts, project.external_models)
    if as_json:
        frame.print_json({"contracts": [_summary(c) for c in contracts], "external_models_current": current})
    else:
        frame.say(f"{len(contracts)} contracts in {project.contracts} can be read")
    if not current:
        raise RefusedError(
            f"{project.external_models / FILE} is not what the contracts say",
            hint="lake contract external --write",
        )
    if not as_json:
        frame.say(f"{project.external_models / FILE} matches them")


@cli.command("external")
def external(
    *, write: Annotated[bool, typer.Option("--write", help="Write external_models/raw.yaml.")] = False
) -> None:
    """Print SQLMesh's external models as the contracts give them, or write them."""
    from lake.contracts import load_contracts
    from lake.contracts.external import FILE, external_models, write_external_models

    project = find_project()
    contracts = load_contracts(project.contracts)
    if not write:
        typer.echo(external_models(contracts), nl=False)
        return
    changed = write_external_models(contracts, project.external_models)
    frame.say(f"{project.external_models / FILE} {'written' if changed else 'is up to date'}")


@cli.command("list")
def list_contracts(*, as_json: frame.JsonFlag = False) -> None:
    """List the streams with kind, version, owner and key."""
    from lake.contracts import load_contracts

    rows = [_summary(c) for c in load_contracts(find_project().contracts)]
    if as_json:
        frame.print_json(rows)
        return
    columns = ("stream", "kind", "version", "owner", "origin", "primary_key")
    frame.print_table("Contracts", columns, [[row[name] for name in columns] for row in rows])


@cli.command("show")
def show(stream: str, *, as_json: frame.JsonFlag = False) -> None:
    """Show one contract: columns, rules and agreements."""
    contract = _find(find_project(), stream)
    if as_json:
        frame.print_json(contract)
        return
    for label, value in _summary(contract).items():
        frame.say(f"{label}: {value}")
    for label, duration in (("freshness", contract.freshness), ("retention", contract.retention)):
        if duration is not None:
            frame.say(f"{label}: {duration}")
    if contract.pii:
        frame.say(f"personal data: {', '.join(sorted(contract.pii))}")
    if contract.unchecked:
        frame.say(f"not checked by landing: {', '.join(contract.unchecked)}")
    frame.print_table("Columns", ("column", "type", "rules", "description"), list(_columns(contract)))


def _columns(contract: Contract) -> list[tuple[str, str, str, str]]:
    from lake.contracts.external import duckdb_type

    rules: dict[str, list[str]] = {}
    for rule in contract.rules:
        argument = rule.argument
        shown = ", ".join(map(str, argument)) if isinstance(argument, tuple) else argument
        text = rule.name if argument is None else f"{rule.name} {shown}"
        rules.setdefault(rule.path.split(".")[0], []).append(text)
    return [
        (f.name, duckdb_type(f.type), "; ".join(rules.get(f.name, [])), f.description)
        for f in contract.fields
    ]


def _summary(contract: Contract) -> dict[str, str]:
    return {
        "stream": contract.stream,
        "kind": contract.kind.value,
        "version": contract.version,
        "owner": contract.owner,
        "origin": contract.topic or f"{contract.source}/{contract.resource}",
        "primary_key": ", ".join(contract.primary_key),
        "event_time": contract.event_time,
        "file": contract.file,
    }


def _find(project: Project, stream: str) -> Contract:
    from lake.contracts import load_contracts

    contracts = {c.stream: c for c in load_contracts(project.contracts)}
    if stream not in contracts:
        known = ", ".join(contracts)
        raise BadInputError(
            f"there is no contract of a stream {stream}; known: {known}", hint="lake contract list"
        )
    return contracts[stream]

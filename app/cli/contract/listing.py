"""`lake contract list`, `show` and `external`: look at the contracts, and write what SQLMesh reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import frame
from lake.errors import BadInputError
from lake.settings import Project, find_project

if TYPE_CHECKING:
    from lake.contracts import Contract


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


def list_contracts(*, as_json: frame.JsonFlag = False) -> None:
    """List the streams with kind, version, owner and key."""
    from lake.contracts import load_contracts

    rows = [summary(c) for c in load_contracts(find_project().contracts)]
    if as_json:
        frame.print_json(rows)
        return
    columns = ("stream", "kind", "version", "status", "owner", "origin", "primary_key")
    frame.print_table("Contracts", columns, [[row[name] for name in columns] for row in rows])


def show(stream: str, *, as_json: frame.JsonFlag = False) -> None:
    """Show one contract: columns, rules and agreements."""
    contract = find(find_project(), stream)
    if as_json:
        frame.print_json(replace(contract, text=""))
        return
    for label, value in summary(contract).items():
        frame.say(f"{label}: {value}")
    for label, duration in (("freshness", contract.freshness), ("retention", contract.retention)):
        if duration is not None:
            frame.say(f"{label}: {duration}")
    for label, text in _ways(contract).items():
        frame.say(f"{label}: {text}")
    if contract.pii:
        frame.say(f"personal data: {', '.join(sorted(contract.pii))}")
    if contract.unchecked:
        frame.say(f"not checked by landing: {', '.join(contract.unchecked)}")
    frame.print_table("Columns", ("column", "type", "rules", "description"), list(_columns(contract)))


def _ways(contract: Contract) -> dict[str, str]:
    """Return how records come and how many may be bad, as far as the contract decides it."""
    found = {
        "mode": contract.mode.value,
        "compatibility": contract.compatibility.value,
        "stops at": f"{contract.breaker.share:.0%} bad of at least {contract.breaker.records} records",
    }
    if contract.topic:
        found["format"] = f"{contract.format.value}, {contract.framing.value}"
        found["subject"] = contract.subject
    if contract.route is not None:
        found["route"] = f"header {contract.route.header} is {contract.route.value}"
    if contract.partition:
        found["partitioned by"] = ", ".join(f"{cut.column} ({cut.text})" for cut in contract.partition)
    if contract.end_of_support is not None:
        found["supported until"] = contract.end_of_support.isoformat()
    return found


def _columns(contract: Contract) -> list[tuple[str, str, str, str]]:
    from lake.contracts.engine_types import duckdb_type

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


def summary(contract: Contract) -> dict[str, str]:
    """Return a contract in a line."""
    return {
        "stream": contract.stream,
        "kind": contract.kind.value,
        "version": contract.version,
        "status": contract.status.value,
        "owner": contract.owner,
        "origin": contract.topic or f"{contract.source}/{contract.resource}",
        "primary_key": ", ".join(contract.primary_key),
        "event_time": contract.event_time,
        "file": contract.file,
    }


def find(project: Project, stream: str) -> Contract:
    """Return the contract of a stream; raises BadInputError that lists the known ones."""
    from lake.contracts import load_contracts

    contracts = {c.stream: c for c in load_contracts(project.contracts)}
    if stream not in contracts:
        known = ", ".join(contracts)
        raise BadInputError(
            f"there is no contract of a stream {stream}; known: {known}", hint="lake contract list"
        )
    return contracts[stream]

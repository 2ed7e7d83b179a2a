"""A page in Markdown for each contract, and an index: what people read before they rely on a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lake.contracts.contract import Contract, Status
from lake.contracts.engine_types import duckdb_type
from lake.contracts.evolution.rules import shown
from lake.types import Field, Struct


def contract_page(contract: Contract, readers: Sequence[str] = ()) -> str:
    """Return the page of one contract; `readers` are lines about who reads it."""
    lines = [f"# {contract.stream}", "", contract.description, ""]
    lines += [f"- {label}: {value}" for label, value in _facts(contract) if value]
    if contract.status is Status.DEPRECATED:
        lines += ["", f"**Deprecated**, supported until {contract.end_of_support}."]
    lines += [
        "",
        "## Columns",
        "",
        "| column | type | required | rules | description |",
        "|---|---|---|---|---|",
    ]
    lines += _rows(contract, contract.fields, "")
    if contract.unchecked:
        lines += ["", f"Not checked by landing: {', '.join(contract.unchecked)}."]
    lines += ["", "## Read by", ""]
    lines += [f"- {reader}" for reader in readers] or ["No model and no sync reads it."]
    return "\n".join(lines) + "\n"


def index_page(contracts: Iterable[Contract]) -> str:
    """Return the list of all contracts with links to their pages."""
    lines = ["# Streams", "", "| stream | version | status | owner | what it is |", "|---|---|---|---|---|"]
    for contract in contracts:
        cells = (
            f"[{contract.stream}]({contract.stream}.md)",
            contract.version,
            contract.status.value,
            contract.owner,
            _cell(contract.description),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _facts(contract: Contract) -> Iterator[tuple[str, object]]:
    yield "version", f"{contract.version} ({contract.status.value})"
    yield "owner", contract.owner
    yield "table", f"`raw.{contract.stream}`, bad records in `quarantine.{contract.stream}`"
    yield "comes from", contract.topic or f"{contract.source}/{contract.resource}"
    yield "written as", f"{contract.format.value}, {contract.framing.value}" if contract.topic else ""
    yield "mode", contract.mode.value
    yield "compatibility", contract.compatibility.value
    yield "primary key", ", ".join(contract.primary_key)
    yield "event time", contract.event_time
    yield "partitioned by", ", ".join(f"{cut.column} ({cut.text})" for cut in contract.partition)
    yield "fresh within", contract.freshness
    yield "kept for", contract.retention
    yield "complete", f"{contract.completeness:.2%}" if contract.completeness is not None else ""


def _rows(contract: Contract, fields: Sequence[Field], parent: str) -> Iterator[str]:
    for field in fields:
        path = f"{parent}{field.name}"
        rules = [
            r.name if r.argument is None else f"{r.name} {shown(r.argument)}"
            for r in contract.rules
            if r.path == path and r.name != "required"
        ]
        if path in contract.pii:
            rules.append("personal data")
        kind = "object" if isinstance(field.type, Struct) else duckdb_type(field.type)
        cells = (path, kind, "yes" if field.required else "", "; ".join(rules), field.description)
        yield f"| {' | '.join(map(_cell, cells))} |"
        if isinstance(field.type, Struct):
            yield from _rows(contract, field.type.fields, f"{path}.")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

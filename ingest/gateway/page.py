"""The page for people: every stream with its members and a command to try; needs no script and no network."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from lake.contracts import Contract
from lake.contracts.engine_types import duckdb_type


def render(contracts: Iterable[Contract], address: str) -> str:
    """Return the page; `address` is where the reader found the gateway."""
    return _template().render(address=address, streams=[_stream(contract) for contract in contracts])


def _stream(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.stream,
        "description": contract.description,
        "version": contract.version,
        "owner": contract.owner,
        "columns": [
            {
                "name": field.name,
                "type": duckdb_type(field.type).lower(),
                "rules": ", ".join(_rules(contract, field.name)),
                "description": field.description,
            }
            for field in contract.fields
        ],
    }


def _rules(contract: Contract, name: str) -> Iterable[str]:
    for rule in contract.rules:
        if rule.path.split(".")[0] == name:
            argument = rule.argument
            shown = " ".join(map(str, argument)) if isinstance(argument, tuple) else argument
            where = "" if rule.path == name else f"{rule.path.partition('.')[2]} "
            yield f"{where}{rule.name}" + ("" if argument is None else f" {shown}")


@cache
def _template() -> Template:
    text = files("ingest.gateway").joinpath("page.html").read_text(encoding="utf-8")
    return SandboxedEnvironment(autoescape=True, undefined=StrictUndefined).from_string(text)

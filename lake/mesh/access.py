"""Who may read what on Trino: its file-based access rules, derived from contracts and models.

The owner builds models and may do anything. Everybody else reads prod: the views of environments, the
physical tables and the quarantine stay closed. Columns with personal data are masked: a key becomes a
pseudonym that still joins and counts, everything else becomes NULL. Rules are matched in their order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lake.mesh.graph import Column, Graph, read_graph
from lake.settings import Project, Settings
from lake.types import CATALOG, quote_identifier, quote_text

OWNERS = "lake|lakemesh"  # who builds; and as whom views read the tables beneath them
_ALL = ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"]
_PSEUDONYMS = {
    "BIGINT": "from_big_endian_64(substr(hmac_sha256({value}, {salt}), 1, 8))",
    "TEXT": "to_hex(hmac_sha256({value}, {salt}))",
    "VARCHAR": "to_hex(hmac_sha256({value}, {salt}))",
}


def plan_rules(graph: Graph, *, quarantine: str, salt: str) -> dict[str, Any]:
    """Return the rules as Trino reads them.

    Tables that the graph doesn't know mask whatever column has the name of a personal one elsewhere;
    where such a column has another type Trino refuses to read it: closed, not open.
    """
    masked = {node.name: _masks(node.columns, salt) for node in graph.nodes}
    by_name = {mask["name"]: mask for masks in masked.values() for mask in masks}
    prod = rf"(?!sqlmesh__|{quarantine}$)(?!.*__).+"
    return {
        "catalogs": [
            {"user": OWNERS, "allow": "all"},
            {"catalog": CATALOG, "allow": "read-only"},
            {"allow": "none"},
        ],
        "schemas": [{"user": OWNERS, "owner": True}, {"owner": False}],
        "tables": [
            {"user": OWNERS, "privileges": _ALL},
            {"catalog": CATALOG, "schema": "information_schema", "privileges": ["SELECT"]},
            *(_table(name, _over(by_name, masks)) for name, masks in sorted(masked.items())),
            _rule({"schema": prod}, list(by_name.values())),
            {"privileges": []},
        ],
        "queries": [{"user": OWNERS, "allow": ["execute", "kill", "view"]}, {"allow": ["execute"]}],
        "procedures": [{"user": OWNERS, "privileges": ["EXECUTE"]}, {"privileges": []}],
    }


def write_rules(project: Project, settings: Settings, path: Path) -> int:
    """Write the rules of a project's files as they are now; return how many columns are masked.

    Trino reads the file again within seconds. It holds the salt of the pseudonyms: mode 0600.
    """
    salt = settings.trino.mask_salt.get_secret_value()
    rules = plan_rules(read_graph(project), quarantine=settings.landing.quarantine_schema, salt=salt)
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(rules, file, indent=2)
    fresh.replace(path)
    return sum(len(rule.get("columns", ())) for rule in rules["tables"])


def _masks(columns: Iterable[Column], salt: str) -> list[dict[str, str]]:
    return [{"name": c.name, "mask": _mask(c, salt)} for c in columns if c.personal]


def _mask(column: Column, salt: str) -> str:
    pattern = _PSEUDONYMS.get(column.type.upper()) if column.personal == "key" and salt else None
    if pattern is None:
        return "NULL"
    value = f"to_utf8(CAST({quote_identifier(column.name)} AS varchar))"
    return pattern.format(value=value, salt=f"to_utf8({quote_text(salt)})")


def _over(by_name: dict[str, dict[str, str]], own: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({**by_name, **{mask["name"]: mask for mask in own}}.values())


def _table(name: str, masks: list[dict[str, str]]) -> dict[str, Any]:
    schema, table = name.split(".")
    return _rule({"schema": schema, "table": table}, masks)


def _rule(where: dict[str, str], masks: list[dict[str, str]]) -> dict[str, Any]:
    rule: dict[str, Any] = {"catalog": CATALOG, **where, "privileges": ["SELECT"]}
    return {**rule, "columns": masks} if masks else rule

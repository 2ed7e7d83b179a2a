"""Write guessed columns as a contract of the Open Data Contract Standard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from lake.contracts.infer.columns import Guess, Guessed
from lake.errors import BadInputError

REVIEW = "Review: "
_WHOLE_DIGITS = 18  # before the point, at least: a sample proves no bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the records come from: a topic, or a source and resource of an extract."""

    stream: str
    owner: str
    topic: str = ""
    source: str = ""
    resource: str = ""


def write_contract(guessed: Guessed, origin: Origin, *, sampled: int) -> str:
    """Return the contract's text; what needs a decision is marked by "Review:".

    Raises BadInputError when the sample gives no key, or no time although it is of a topic.
    """
    if not guessed.key:
        raise BadInputError(
            "no column of the sample is in every record, so there is no primary key",
            hint="take a larger or a cleaner sample; or copy a contract and write it by hand",
        )
    if origin.topic and not guessed.event_time:
        raise BadInputError(
            "no column of the sample is a date or time in every record, which a topic's contract needs",
            hint="let producers send when it happened, as 2026-01-31T10:00:00Z",
        )
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": origin.stream,
        "name": origin.stream.replace("_", " ").capitalize(),
        "version": "1.0.0",
        "status": "active",
        "description": {
            "purpose": f"{REVIEW}what these records are. Guessed from {sampled} records.",
            **({"limitations": "Left out: " + "; ".join(guessed.left_out)} if guessed.left_out else {}),
        },
        "team": {"name": origin.owner},
        "schema": [_schema(guessed, origin)],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _schema(guessed: Guessed, origin: Origin) -> dict[str, Any]:
    custom: dict[str, str] = {}
    if origin.topic:
        custom["format"] = "json"
    else:
        custom |= {"source": origin.source, "resource": origin.resource}
    if guessed.event_time:
        custom["eventTime"] = guessed.event_time
    return {
        "name": origin.stream,
        "logicalType": "object",
        "physicalType": "topic" if origin.topic else "extract",
        "physicalName": origin.topic or origin.resource,
        "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
        "properties": [_property(column, guessed) for column in guessed.columns],
    }


def _property(column: Guess, guessed: Guessed | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name, "description": f"{REVIEW}what it says."}
    entry |= _type(column)
    if column.required:
        entry["required"] = True
    if guessed is not None and column.name in guessed.key:
        entry |= {"primaryKey": True, "primaryKeyPosition": guessed.key.index(column.name) + 1}
    if column.personal:
        entry |= {"tags": ["pii"], "description": f"{REVIEW}looks like personal data by its name."}
    if column.allowed:
        entry["enum"] = [{"value": value} for value in column.allowed]
        entry["description"] = f"{REVIEW}are these all the values that may come?"
    return entry


def _type(column: Guess, *, bare: bool = False) -> dict[str, Any]:
    """Return the type; `bare` without rules, which can't be checked on elements of arrays."""
    match column.logical:
        case "integer":
            return {"logicalType": "integer", "logicalTypeOptions": {"format": "i64"}}
        case "number" if column.places >= 0:
            digits = max(_WHOLE_DIGITS, column.whole) + column.places
            return {"logicalType": "number", "physicalType": f"decimal({digits},{column.places})"}
        case "timestamp":
            return {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": column.zone}}
        case "object" if bare:
            members = [{"name": m.name, **_type(m, bare=True)} for m in column.members]
            return {"logicalType": "object", "properties": members}
        case "object":
            return {"logicalType": "object", "properties": [_property(m, None) for m in column.members]}
        case "array":
            item = column.item or Guess(name="item", logical="string", required=False)
            return {"logicalType": "array", "items": _type(item, bare=True)}
        case kind:
            return {"logicalType": kind}

"""A JSON Schema (draft 7) from a contract; what landing accepts as JSON, as far as that language goes.

It can't tell 3.0 from 3 (landing can), knows no exact decimals and compares no times: it accepts all
that landing accepts, and refuses most of what landing refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal as Number
from typing import Any

from lake.contracts.contract import Contract, Mode, Rule, RuleKind
from lake.contracts.derive.record import AFTER, record_fields
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_PRIMITIVES: dict[Primitive, dict[str, Any]] = {
    Primitive.BOOLEAN: {"type": "boolean"},
    Primitive.INT: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    Primitive.LONG: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    Primitive.DOUBLE: {"type": "number"},
    Primitive.STRING: {"type": "string"},
    Primitive.BINARY: {"type": "string", "contentEncoding": "base64"},
    Primitive.DATE: {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    Primitive.TIMESTAMP: {"type": "string", "pattern": f"{_TIME}$"},
    Primitive.TIMESTAMPTZ: {"type": "string", "pattern": f"{_TIME}(Z|[+-]\\d{{2}}:\\d{{2}})$"},
}
# Expressions that mean the same in RE2 and in JSON Schema's dialect, or less in the latter.
_PORTABLE = re.compile(r"([^\\(]|\((?!\?)|\\[d.\-+*?()\[\]{}|^$/])*\Z")
_NUMBERS = {
    RuleKind.MINIMUM: "minimum",
    RuleKind.MAXIMUM: "maximum",
    RuleKind.EXCLUSIVE_MINIMUM: "exclusiveMinimum",
    RuleKind.EXCLUSIVE_MAXIMUM: "exclusiveMaximum",
}
_LENGTHS = {RuleKind.MIN_LENGTH: "minLength", RuleKind.MAX_LENGTH: "maxLength"}


def json_schema(contract: Contract) -> str:
    """Return the schema as one line of JSON; its title is the stream's name."""
    parent = f"{AFTER}." if contract.mode is Mode.CDC else ""
    rules: dict[str, list[Rule]] = {}
    for rule in contract.rules:
        rules.setdefault(parent + rule.path, []).append(rule)
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": contract.stream,
        **_object(record_fields(contract), rules, ""),
    }
    return json.dumps(document, separators=(",", ":"))


def _object(fields: Sequence[Field], rules: Mapping[str, list[Rule]], parent: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {f.name: _property(f, rules, f"{parent}{f.name}") for f in fields},
        "required": [f.name for f in fields if f.required],
    }


def _property(field: Field, rules: Mapping[str, list[Rule]], path: str) -> dict[str, Any]:
    schema = _type(field.type, rules, path)
    parts = [part for rule in rules.get(path, ()) if (part := _rule(rule, field.type))]
    if parts:
        schema = {"allOf": [schema, *parts]}
    return schema if field.required else {"anyOf": [{"type": "null"}, schema]}


def _type(kind: FieldType, rules: Mapping[str, list[Rule]], path: str) -> dict[str, Any]:
    match kind:
        case Primitive():
            return dict(_PRIMITIVES[kind])
        case Decimal():
            return {"type": ["number", "string"], "pattern": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?$"}
        case Struct():
            return _object(kind.fields, rules, f"{path}.")
        case ListOf():
            return {"type": "array", "items": _or_null(_type(kind.element, {}, path))}
        case MapOf():
            return {"type": "object", "additionalProperties": _or_null(_type(kind.value, {}, path))}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "null"}, schema]}


def _rule(rule: Rule, kind: FieldType) -> dict[str, Any]:
    """Return a rule in the words of JSON Schema; empty for one that it can't say."""
    argument = rule.argument
    if rule.kind in _LENGTHS:
        return {_LENGTHS[rule.kind]: argument} if kind is Primitive.STRING else {}
    if rule.kind is RuleKind.PATTERN and _PORTABLE.match(str(argument)):
        return {"pattern": argument}
    if rule.kind in _NUMBERS and isinstance(argument, Number):
        return {_NUMBERS[rule.kind]: _number(argument)}
    if rule.kind is RuleKind.ALLOWED and isinstance(argument, tuple) and not isinstance(kind, Decimal):
        return {"enum": [_number(a) if isinstance(a, Number) else a for a in argument]}
    return {}


def _number(value: Number) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)

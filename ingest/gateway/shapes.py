"""JSON Schema of what the gateway takes for a stream: the codec's rules for values, and the contract's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal as Number
from typing import Any

from lake.contracts import Contract, Rule, RuleKind
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_PRIMITIVES: Mapping[Primitive, Mapping[str, Any]] = {
    Primitive.BOOLEAN: {"type": "boolean"},
    Primitive.INT: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1, "format": "int32"},
    Primitive.LONG: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1, "format": "int64"},
    Primitive.DOUBLE: {"type": "number"},
    Primitive.STRING: {"type": "string"},
    Primitive.BINARY: {"type": "string", "contentEncoding": "base64"},
    Primitive.DATE: {"type": "string", "format": "date"},
    Primitive.TIMESTAMP: {"type": "string", "examples": ["2026-01-31T12:00:00"]},
    Primitive.TIMESTAMPTZ: {"type": "string", "format": "date-time"},
}
_BOUNDS = {
    RuleKind.MINIMUM: "minimum",
    RuleKind.MAXIMUM: "maximum",
    RuleKind.EXCLUSIVE_MINIMUM: "exclusiveMinimum",
    RuleKind.EXCLUSIVE_MAXIMUM: "exclusiveMaximum",
}
_PLAIN = {RuleKind.MIN_LENGTH: "minLength", RuleKind.MAX_LENGTH: "maxLength", RuleKind.PATTERN: "pattern"}


def record_schema(contract: Contract) -> dict[str, Any]:
    """Return the schema of one record; members that the contract doesn't know are ignored, so allowed."""
    return {
        "title": contract.stream,
        "description": contract.description,
        **_members(contract.fields, contract.rules, ""),
    }


def _members(fields: Sequence[Field], rules: Sequence[Rule], parent: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in fields:
        path = f"{parent}{field.name}"
        own = [rule for rule in rules if rule.path == path]
        must = any(rule.kind is RuleKind.REQUIRED for rule in own)
        schema = {**_shape(field.type, rules, path)}
        for rule in own:
            schema |= _restriction(rule)
        if not must:
            schema = _or_null(schema)
        if field.description:
            schema["description"] = field.description
        properties[field.name] = schema
        if must:
            required.append(field.name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _shape(kind: FieldType, rules: Sequence[Rule], path: str) -> Mapping[str, Any]:
    match kind:
        case Primitive():
            return _PRIMITIVES[kind]
        case Decimal():
            text = f"At most {kind.precision - kind.scale} digits before the point and {kind.scale} after it."
            return {"type": ["number", "string"], "title": text}
        case Struct():
            return _members(kind.fields, rules, f"{path}.")
        case ListOf():
            return {"type": "array", "items": _or_null(dict(_shape(kind.element, (), "")))}
        case MapOf():
            return {"type": "object", "additionalProperties": _or_null(dict(_shape(kind.value, (), "")))}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    null = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*kinds, "null"], **null}


def _restriction(rule: Rule) -> dict[str, Any]:
    argument = rule.argument
    if rule.kind is RuleKind.ALLOWED and isinstance(argument, tuple):
        return {"enum": [_plain(value) for value in argument]}
    if rule.kind in _PLAIN:
        return {_PLAIN[rule.kind]: argument}
    if rule.kind in _BOUNDS and isinstance(argument, Number | int):
        return {_BOUNDS[rule.kind]: _plain(argument)}
    return {}  # required stands at the parent; bounds of times are told by the answer


def _plain(value: Any) -> Any:
    if isinstance(value, Number):
        return int(value) if value == value.to_integral_value() else float(value)
    return value

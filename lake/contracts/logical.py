"""Translate the standard's logical types into neutral field types, and their options into rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal as Number
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from lake.contracts.contract import Rule, RuleArgument, RuleKind
from lake.contracts.custom import read_custom
from lake.contracts.document import ContractError, Key
from lake.errors import first_line
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

COLUMN_PROPERTIES = frozenset({"partitionTransform", "migration", "fieldNumber"})
_MEMBER_PROPERTIES = frozenset({"fieldNumber"})
_COLUMN_DEPTH = 4  # schema, 0, properties, its place
_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_DECIMAL = re.compile(r"decimal\((?P<precision>\d+),\s*(?P<scale>\d+)\)\Z")
_SIZED = {
    **dict.fromkeys(("i8", "i16", "i32", "u8", "u16"), Primitive.INT),
    **dict.fromkeys(("u32", "i64"), Primitive.LONG),
}
_FLOATS = {"f32": Primitive.DOUBLE, "f64": Primitive.DOUBLE}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_OPTIONS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": (*_BOUNDS, "format"),
    "number": (*_BOUNDS, "format"),
    "date": _BOUNDS,
    "timestamp": (*_BOUNDS, "timezone"),
    "boolean": (),
    "object": (),
    "array": (),
    "map": (),
}


def to_field(prop: SchemaProperty, at: Key) -> Field:
    """Turn one property into a column; raises ContractError with the place of what doesn't fit."""
    name = prop.name or ""
    if not _NAME.match(name):
        message = f"{name!r} is no column name: use a-z, 0-9 and _, not starting with a digit"
        raise ContractError((*at, "name"), message)
    known = COLUMN_PROPERTIES if len(at) == _COLUMN_DEPTH else _MEMBER_PROPERTIES
    custom = read_custom(prop.customProperties, known, at)
    return Field(
        name=name,
        type=_type(prop, at),
        required=bool(prop.required),
        description=" ".join((prop.description or "").split()),
        number=custom.count("fieldNumber", 0, most=2**29 - 1),
    )


def to_rules(prop: SchemaProperty, at: Key, *, parent: str = "", masked: bool = False) -> Iterator[Rule]:
    """Yield the rules of a property and of the members below it, `required` first."""
    path = f"{parent}{prop.name}"
    masked = masked or is_personal(prop)
    if prop.required:
        yield Rule(kind=RuleKind.REQUIRED, path=path, masked=masked)
    for kind, argument in _option_rules(prop, at):
        yield Rule(kind=kind, path=path, argument=argument, masked=masked)
    for position, child in enumerate(prop.properties or ()):
        yield from to_rules(child, (*at, "properties", position), parent=f"{path}.", masked=masked)
    elements = (("items", prop.items), ("map", prop.map.value if prop.map else None))
    for key, element in elements:
        if element is not None and any(to_rules(element.model_copy(update={"name": "x"}), (*at, key))):
            message = "rules on elements of arrays and maps are not checked by landing: write an audit"
            raise ContractError((*at, key), message)


def is_personal(prop: SchemaProperty) -> bool:
    """Tell whether a property is tagged as personal data."""
    return "pii" in {tag.lower() for tag in prop.tags or ()}


def _type(prop: SchemaProperty, at: Key) -> FieldType:
    logical = prop.logicalType
    if logical is None:
        raise ContractError(at, f"{prop.name} has no logicalType")
    if logical not in _OPTIONS:
        known = ", ".join(_OPTIONS)
        raise ContractError((*at, "logicalType"), f"logicalType {logical} can't be landed: use {known}")
    options = prop.logicalTypeOptions or {}
    for option in options:
        if option not in _OPTIONS[logical]:
            takes = ", ".join(_OPTIONS[logical]) or "none"
            message = f"{option} is not checked on {logical}; its options: {takes}"
            raise ContractError((*at, "logicalTypeOptions", option), message)
    return _nested(prop, at) if logical in {"object", "array", "map"} else _scalar(prop, options, at)


def _nested(prop: SchemaProperty, at: Key) -> FieldType:
    if prop.logicalType == "object":
        if not prop.properties:
            raise ContractError(at, f"object {prop.name} has no properties")
        members = tuple(to_field(p, (*at, "properties", i)) for i, p in enumerate(prop.properties))
        return Struct(fields=members)
    if prop.logicalType == "array":
        if prop.items is None:
            raise ContractError(at, f"array {prop.name} has no items")
        return ListOf(element=_type(prop.items, (*at, "items")))
    if prop.map is None or prop.map.key is None or prop.map.value is None:
        raise ContractError(at, f"map {prop.name} needs map.key and map.value")
    return MapOf(
        key=_type(prop.map.key, (*at, "map", "key")), value=_type(prop.map.value, (*at, "map", "value"))
    )


def _scalar(prop: SchemaProperty, options: Mapping[str, Any], at: Key) -> FieldType:
    size = options.get("format")
    place = (*at, "logicalTypeOptions", "format")
    match prop.logicalType:
        case "integer":
            return _sized(size or "i32", _SIZED, place)
        case "number":
            if prop.physicalType is None:
                return _sized(size or "f64", _FLOATS, place)
            return _decimal(prop.physicalType, (*at, "physicalType"))
        case "timestamp":
            return Primitive.TIMESTAMPTZ if options.get("timezone", True) else Primitive.TIMESTAMP
        case "string":
            return Primitive.BINARY if size in {"binary", "byte"} else Primitive.STRING
        case "date":
            return Primitive.DATE
        case _:
            return Primitive.BOOLEAN


def _sized(size: object, known: Mapping[str, Primitive], at: Key) -> Primitive:
    if size not in known:
        raise ContractError(at, f"format {size} can't be landed: use {', '.join(known)}")
    return known[str(size)]


def _decimal(physical: str, at: Key) -> FieldType:
    if physical == "double":
        return Primitive.DOUBLE
    match = _DECIMAL.match(physical)
    if match is None:
        raise ContractError(at, f"{physical!r} is no number: write decimal(precision,scale) or double")
    precision, scale = int(match["precision"]), int(match["scale"])
    if not (1 <= precision <= 38 and scale <= precision):
        raise ContractError(at, f"{physical}: precision is 1 to 38 and scale at most the precision")
    return Decimal(precision=precision, scale=scale)


def _option_rules(prop: SchemaProperty, at: Key) -> Iterator[tuple[RuleKind, RuleArgument]]:
    for option, value in (prop.logicalTypeOptions or {}).items():
        place = (*at, "logicalTypeOptions", option)
        if option in _BOUNDS:
            yield RuleKind(option), _bound(prop.logicalType, value, place)
        elif option in {"minLength", "maxLength"}:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ContractError(place, f"{option} is a count of characters, not {value!r}")
            yield RuleKind(option), value
        elif option == "pattern":
            yield RuleKind.PATTERN, _pattern(value, place)
    if prop.enum:
        values = tuple(
            _listed(prop.logicalType, entry.value, (*at, "enum", i)) for i, entry in enumerate(prop.enum)
        )
        yield RuleKind.ALLOWED, values


def _bound(logical: str | None, value: object, at: Key) -> Number | str:
    if logical in {"integer", "number"}:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ContractError(at, f"{value!r} is no number")
        return Number(str(value))
    text = value.isoformat() if isinstance(value, date) else str(value)  # datetime is a date too
    parse = date.fromisoformat if logical == "date" else datetime.fromisoformat
    try:
        parse(text)
    except ValueError as error:
        raise ContractError(at, f"{text!r} is no {logical} in ISO 8601") from error
    return text


def _pattern(value: object, at: Key) -> str:
    if not isinstance(value, str):
        raise ContractError(at, "pattern is a text")
    import pyarrow as pa  # noqa: PLC0415  slow to import, and few contracts have patterns
    import pyarrow.compute as pc  # noqa: PLC0415

    try:
        pc.match_substring_regex(pa.scalar(""), value)
    except pa.ArrowInvalid as error:
        reason = first_line(error)
        raise ContractError(at, f"{value!r} is no regular expression of RE2: {reason}") from error
    return value


def _listed(logical: str | None, value: object, at: Key) -> Number | int | str | bool:
    match logical, value:
        case "string", str() as text:
            return text
        case "boolean", bool() as flag:
            return flag
        case "integer" | "number", (int() | float()) as number if not isinstance(number, bool):
            return Number(str(number))
    raise ContractError(at, f"{value!r} is no {logical}; put texts in quotes")

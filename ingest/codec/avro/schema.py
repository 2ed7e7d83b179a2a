"""An Avro schema as a tree: the physical type of each value and, apart from it, what it stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

# What Debezium's and Kafka Connect's converters write where Avro has no logical type of its own.
_CONNECT = {
    "io.debezium.time.Date": "date",
    "io.debezium.time.Timestamp": "local-timestamp-millis",
    "io.debezium.time.MicroTimestamp": "local-timestamp-micros",
    "io.debezium.time.NanoTimestamp": "local-timestamp-nanos",
}
# A logical type counts only on the physical one that it is defined for; elsewhere Avro has it ignored.
_UNITS = ("millis", "micros", "nanos")
_DEFINED = {
    "date": frozenset({"int"}),
    "decimal": frozenset({"bytes", "fixed"}),
    **dict.fromkeys(
        (
            f"{kind}-{unit}"
            for kind in ("timestamp", "local-timestamp")
            for unit in ("millis", "micros", "nanos")
        ),
        frozenset({"long"}),
    ),
}
_PRIMITIVE = frozenset({"null", "boolean", "int", "long", "float", "double", "string", "bytes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value without parts; `logical` is what it stands for, empty when nothing else than it is."""

    physical: str
    logical: str = ""
    precision: int = 0
    scale: int = 0
    size: int = 0
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    name: str
    fields: tuple[tuple[str, AvroType], ...]

    def field(self, name: str) -> AvroType | None:
        return next((kind for own, kind in self.fields if own == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    items: AvroType


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    values: AvroType


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    branches: tuple[AvroType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A named type inside of itself."""

    name: str


AvroType = Scalar | Record | Array | Map | Union | Again


@dataclass(frozen=True, slots=True, kw_only=True)
class AvroSchema:
    """`root` is the tree, `physical` the schema without logical types, as fastavro reads by it."""

    root: AvroType
    physical: Any


class AvroSchemaError(ValueError):
    """A text that is no Avro schema, or one that no record should be read by."""


def read_schema(text: str, references: Sequence[str] = ()) -> AvroSchema:
    """Parse a schema; `references` are schemas that it names, each after those that it needs itself.

    Raises AvroSchemaError.
    """
    named: dict[str, Any] = {}
    try:
        for reference in references:
            fastavro.parse_schema(json.loads(reference), named)
        parsed = fastavro.parse_schema(json.loads(text), named)
        root = _tree(parsed, named, ())
        own: dict[str, Any] = {}
        for reference in references:
            fastavro.parse_schema(_bare(json.loads(reference)), own)
        physical = fastavro.parse_schema(_bare(json.loads(text)), own)
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType, RecursionError) as error:
        raise AvroSchemaError(f"no Avro schema: {error}") from error
    if _costs_nothing_inside(root):
        raise AvroSchemaError("an array or map of values without bytes: a few bytes could stand for billions")
    return AvroSchema(root=root, physical=physical)


def _tree(node: Any, named: Mapping[str, Any], above: tuple[str, ...]) -> AvroType:
    if isinstance(node, list):
        return Union(branches=tuple(_tree(branch, named, above) for branch in node))
    if isinstance(node, str):
        if node in _PRIMITIVE:
            return Scalar(physical=node)
        return Again(name=node) if node in above else _tree(named[node], named, above)
    kind = node["type"]
    match kind:
        case "record" | "error":
            inner = (*above, node["name"])
            fields = tuple((f["name"], _tree(f["type"], named, inner)) for f in node["fields"])
            return Record(name=node["name"], fields=fields)
        case "array":
            return Array(items=_tree(node["items"], named, above))
        case "map":
            return Map(values=_tree(node["values"], named, above))
        case "enum":
            return Scalar(physical="enum", symbols=tuple(node["symbols"]))
        case "fixed":
            return Scalar(physical="fixed", size=node["size"], **_meaning(node))
        case str() if kind in _PRIMITIVE:
            return Scalar(physical=kind, **_meaning(node))
    return _tree(kind, named, above)


def _meaning(node: Mapping[str, Any]) -> dict[str, Any]:
    logical = node.get("logicalType") or _CONNECT.get(node.get("connect.name", ""), "")
    if node["type"] not in _DEFINED.get(logical, ()):
        return {}
    if logical != "decimal":
        return {"logical": logical}
    return {"logical": logical, "precision": node.get("precision", 0), "scale": node.get("scale", 0)}


def _bare(node: Any) -> Any:
    """Return the schema without logical types: their values are converted here, by both paths alike."""
    if isinstance(node, list):
        return [_bare(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    kept = {k: v for k, v in node.items() if k not in {"logicalType", "default", "connect.default"}}
    for part in ("type", "items", "values"):
        if part in kept:
            kept[part] = _bare(kept[part])
    if "fields" in kept:
        kept["fields"] = [_bare(field) for field in kept["fields"]]
    return kept


def _costs_nothing_inside(kind: AvroType) -> bool:
    match kind:
        case Record():
            return any(_costs_nothing_inside(own) for _, own in kind.fields)
        case Union():
            return any(map(_costs_nothing_inside, kind.branches))
        case Array():
            return _costs_nothing(kind.items) or _costs_nothing_inside(kind.items)
        case Map():
            return _costs_nothing_inside(kind.values)
    return False


def _costs_nothing(kind: AvroType) -> bool:
    """Tell whether a value may take no bytes at all."""
    match kind:
        case Scalar():
            return kind.physical == "null" or (kind.physical == "fixed" and kind.size == 0)
        case Record():
            return all(_costs_nothing(own) for _, own in kind.fields)
    return False

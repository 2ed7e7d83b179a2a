"""Translate an Open Data Contract Standard document into a `Contract`.

What the standard leaves to the tool stands in `customProperties` of the schema object:

    topics     format (json), key, subject (default <stream>-value), eventTime
    extracts   source, resource, eventTime

and in those of a property: `partitionTransform` beside `partitioned: true`. Custom properties with a
`vendor` other than lakemesh are somebody else's and are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
    Team,
)

from lake.contracts.contract import Contract, Format, PartitionBy, StreamKind, Transform
from lake.contracts.document import ContractError, Document, Key, read_document
from lake.contracts.logical import is_personal, to_field, to_rules
from lake.types import Field, Primitive

_API = re.compile(r"v3\.\d+\.\d+\Z")
_VERSION = re.compile(r"\d+\.\d+\.\d+\Z")
_STREAM = re.compile(r"[a-z][a-z0-9_]*\Z")
_OBJECT: Key = ("schema", 0)
_CUSTOM: Key = (*_OBJECT, "customProperties")
_TOPIC_PROPERTIES = frozenset({"format", "key", "subject", "eventTime"})
_EXTRACT_PROPERTIES = frozenset({"source", "resource", "eventTime"})
_UNITS = {
    **dict.fromkeys(("s", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("y", "yr", "year", "years"), 365 * 86400.0),
}
_TIMES = (Primitive.DATE, Primitive.TIMESTAMP, Primitive.TIMESTAMPTZ)


def parse_contract(text: str, *, file: str = "") -> Contract:
    """Read a contract; raises ContractError with place and line of the first thing wrong."""
    document = read_document(text)
    try:
        return _contract(document, file)
    except ContractError as error:
        error.line = document.line_of(error.at)
        raise


def _contract(document: Document, file: str) -> Contract:
    model = document.model
    stream = _header(model)
    if not model.schema_ or len(model.schema_) != 1:
        raise ContractError(("schema",), "a contract describes exactly one stream: one entry in schema")
    table = model.schema_[0]
    properties = table.properties or []
    if not properties:
        raise ContractError((*_OBJECT, "properties"), "the schema has no properties")
    places = [(*_OBJECT, "properties", position) for position in range(len(properties))]
    fields = tuple(to_field(p, at) for p, at in zip(properties, places, strict=True))
    _refuse_twins(fields)
    kind = _kind(table)
    allowed = _TOPIC_PROPERTIES if kind is StreamKind.TOPIC else _EXTRACT_PROPERTIES
    custom = _custom(table.customProperties, allowed, _OBJECT)
    agreed = {p.property: (p, i) for i, p in enumerate(model.slaProperties or ())}
    return Contract(
        stream=stream,
        version=model.version or "",
        owner=_owner(model),
        description=_text(model.description.purpose if model.description else table.description),
        domain=model.domain or "",
        kind=kind,
        fields=fields,
        primary_key=_primary_key(properties, fields),
        rules=tuple(r for p, at in zip(properties, places, strict=True) for r in to_rules(p, at)),
        event_time=_event_time(custom, fields, kind),
        partition=_partition(properties, fields),
        pii=frozenset(p.name or "" for p in properties if is_personal(p)),
        freshness=_duration(agreed.get("freshness")),
        completeness=_share(agreed.get("completeness")),
        retention=_duration(agreed.get("retention")),
        unchecked=tuple(_unchecked(table, properties)),
        file=file,
        **_origin(kind, table, stream, custom, fields),
    )


def _header(model: OpenDataContractStandard) -> str:
    if model.kind != "DataContract":
        raise ContractError(("kind",), "kind must be DataContract")
    if not _API.match(model.apiVersion or ""):
        raise ContractError(("apiVersion",), f"apiVersion {model.apiVersion} is not read: use v3.2.0")
    if not _VERSION.match(model.version or ""):
        raise ContractError(("version",), f"version {model.version} must be major.minor.patch, as 1.0.0")
    if not _STREAM.match(model.id or ""):
        raise ContractError(("id",), f"id {model.id!r} names the stream and its table: use a-z, 0-9 and _")
    return str(model.id)


def _owner(model: OpenDataContractStandard) -> str:
    if not isinstance(model.team, Team) or not model.team.name:
        raise ContractError(("team",), "team.name must say who owns the stream")
    return model.team.name


def _kind(table: SchemaObject) -> StreamKind:
    try:
        return StreamKind(table.physicalType)
    except ValueError as error:
        message = f"physicalType of the schema must be topic or extract, not {table.physicalType}"
        raise ContractError((*_OBJECT, "physicalType"), message) from error


def _custom(properties: Sequence[CustomProperty] | None, known: frozenset[str], at: Key) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for position, entry in enumerate(properties or ()):
        if entry.vendor not in {None, "lakemesh"}:
            continue
        if entry.property not in known:
            message = f"custom property {entry.property} is unknown here; known: {', '.join(sorted(known))}"
            raise ContractError((*at, "customProperties", position), message)
        values[entry.property] = entry.value
    return values


def _origin(
    kind: StreamKind, table: SchemaObject, stream: str, custom: dict[str, Any], fields: tuple[Field, ...]
) -> dict[str, Any]:
    if kind is StreamKind.EXTRACT:
        if not custom.get("source") or not custom.get("resource"):
            raise ContractError(_CUSTOM, "an extract names source and resource in customProperties")
        return {"source": str(custom["source"]), "resource": str(custom["resource"])}
    try:
        written = Format(custom.get("format", "json"))
    except ValueError as error:
        raise ContractError(_CUSTOM, f"format {custom['format']} is none of json, avro, protobuf") from error
    key = str(custom.get("key", ""))
    if key and key not in {f.name for f in fields}:
        raise ContractError(_CUSTOM, f"key {key} is no property")
    topic = table.physicalName or stream
    subject = str(custom.get("subject", f"{topic}-value"))
    return {"topic": topic, "format": written, "key": key, "subject": subject}


def _primary_key(properties: Sequence[SchemaProperty], fields: tuple[Field, ...]) -> tuple[str, ...]:
    marked = [(p.primaryKeyPosition or 0, i, p.name or "") for i, p in enumerate(properties) if p.primaryKey]
    if not marked:
        raise ContractError((*_OBJECT, "properties"), "no property has primaryKey: true")
    for _, position, name in marked:
        if not fields[position].required:
            message = f"{name} is part of the primary key, so it must be required"
            raise ContractError((*_OBJECT, "properties", position), message)
    return tuple(name for _, _, name in sorted(marked))


def _event_time(custom: dict[str, Any], fields: tuple[Field, ...], kind: StreamKind) -> str:
    name = str(custom.get("eventTime", ""))
    if not name:
        if kind is StreamKind.TOPIC:
            raise ContractError(_CUSTOM, "a topic names its eventTime in customProperties")
        return ""
    if name not in {f.name for f in fields if f.type in _TIMES}:
        raise ContractError(_CUSTOM, f"eventTime {name} is no property of type date or timestamp")
    return name


def _partition(properties: Sequence[SchemaProperty], fields: tuple[Field, ...]) -> tuple[PartitionBy, ...]:
    found: list[tuple[int, int, PartitionBy]] = []
    for position, prop in enumerate(properties):
        at: Key = (*_OBJECT, "properties", position)
        custom = _custom(prop.customProperties, frozenset({"partitionTransform"}), at)
        if not prop.partitioned:
            continue
        is_time = fields[position].type in _TIMES
        try:
            transform = Transform(custom.get("partitionTransform", "month" if is_time else "identity"))
        except ValueError as error:
            names = ", ".join(t.value for t in Transform)
            raise ContractError(at, f"partitionTransform is one of {names}") from error
        if transform is not Transform.IDENTITY and not is_time:
            raise ContractError(at, f"{transform.value} needs a date or timestamp")
        by = PartitionBy(column=prop.name or "", transform=transform)
        found.append((prop.partitionKeyPosition or 0, position, by))
    return tuple(by for _, _, by in sorted(found, key=lambda entry: entry[:2]))


def _duration(entry: tuple[ServiceLevelAgreementProperty, int] | None) -> timedelta | None:
    if entry is None:
        return None
    agreed, position = entry
    factor = _UNITS.get((agreed.unit or "").lower())
    if factor is None or isinstance(agreed.value, bool) or not isinstance(agreed.value, int | float):
        message = f"{agreed.property} needs a number and a unit of s, min, h, d or y"
        raise ContractError(("slaProperties", position), message)
    return timedelta(seconds=agreed.value * factor)


def _share(entry: tuple[ServiceLevelAgreementProperty, int] | None) -> float | None:
    if entry is None:
        return None
    agreed, position = entry
    value = agreed.value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if agreed.unit != "percent" or not is_number or not 0 <= float(value or 0) <= 100:
        raise ContractError(("slaProperties", position), "completeness needs a number and unit percent")
    return round(float(value or 0) / 100, 10)


def _unchecked(table: SchemaObject, properties: Sequence[SchemaProperty]) -> list[str]:
    """Name what is promised about the table as a whole: a single record can't prove it."""
    promised = [f"{p.name}: unique" for p in properties if p.unique]
    owners: list[tuple[str, Any]] = [("", table), *((f"{p.name}: ", p) for p in properties)]
    for prefix, owner in owners:
        promised += [prefix + (q.name or q.metric or q.type or "quality") for q in owner.quality or ()]
    return promised


def _refuse_twins(fields: tuple[Field, ...]) -> None:
    seen: set[str] = set()
    for position, column in enumerate(fields):
        at: Key = (*_OBJECT, "properties", position, "name")
        if column.name in seen:
            raise ContractError(at, f"column {column.name} stands twice")
        if column.name == "meta":
            raise ContractError(at, "meta is the name of the column that landing adds")
        seen.add(column.name)


def _text(value: str | None) -> str:
    return " ".join((value or "").split())

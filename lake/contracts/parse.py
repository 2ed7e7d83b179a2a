"""Translate an Open Data Contract Standard document into a `Contract`.

What the standard leaves to the tool stands in `customProperties`, of the schema object (`origin` lists
them) and of a property: `partitionTransform` beside `partitioned: true`, `migration` (SQL over a row of
the major version before) and `fieldNumber` (in Protobuf).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty, Team

from lake.contracts.agreements import read_agreements, unchecked_promises
from lake.contracts.contract import Contract, PartitionBy, Status, Transform, stream_name
from lake.contracts.custom import read_custom
from lake.contracts.document import ContractError, Document, Key, read_document
from lake.contracts.logical import COLUMN_PROPERTIES, is_personal, to_field, to_rules
from lake.contracts.origin import OBJECT, read_origin
from lake.types import Decimal, Field, Primitive

_API = re.compile(r"v3\.\d+\.\d+\Z")
_VERSION = re.compile(r"\d+\.\d+\.\d+\Z")
_STREAM = re.compile(r"[a-z][a-z0-9_]*\Z")
_TRANSFORM = re.compile(r"(?P<name>[a-z]+)(\[(?P<width>[1-9]\d{0,5})\])?\Z")
_TIMES = (Primitive.DATE, Primitive.TIMESTAMP, Primitive.TIMESTAMPTZ)
_UNHASHED = (Primitive.BOOLEAN, Primitive.DOUBLE)
_WIDTHS = (Transform.BUCKET, Transform.TRUNCATE)


def parse_contract(text: str, *, file: str = "") -> Contract:
    """Read a contract; raises ContractError with place and line of the first thing wrong."""
    document = read_document(text)
    try:
        return _contract(document, text, file)
    except ContractError as error:
        error.line = document.line_of(error.at)
        raise


def _contract(document: Document, text: str, file: str) -> Contract:
    model = document.model
    family = _header(model)
    if not model.schema_ or len(model.schema_) != 1:
        raise ContractError(("schema",), "a contract describes exactly one stream: one entry in schema")
    table = model.schema_[0]
    properties = table.properties or []
    if not properties:
        raise ContractError((*OBJECT, "properties"), "the schema has no properties")
    places = [(*OBJECT, "properties", position) for position in range(len(properties))]
    fields = tuple(to_field(p, at) for p, at in zip(properties, places, strict=True))
    _refuse_twins(fields)
    agreed = read_agreements(model)
    stream = stream_name(family, model.version or "")
    return Contract(
        stream=stream,
        family=family,
        version=model.version or "",
        status=_status(model),
        owner=_owner(model),
        description=_text(model.description.purpose if model.description else table.description),
        domain=model.domain or "",
        fields=fields,
        primary_key=_primary_key(properties, fields),
        rules=tuple(r for p, at in zip(properties, places, strict=True) for r in to_rules(p, at)),
        partition=_partition(properties, fields),
        pii=frozenset(p.name or "" for p in properties if is_personal(p)),
        freshness=agreed.freshness,
        completeness=agreed.completeness,
        retention=agreed.retention,
        end_of_support=agreed.end_of_support,
        migration=tuple(_migration(properties, places)),
        unchecked=tuple(unchecked_promises(table)),
        file=file,
        text=text,
        **read_origin(table, family, stream, fields),
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


def _status(model: OpenDataContractStandard) -> Status:
    try:
        return Status(model.status or "active")
    except ValueError as error:
        known = ", ".join(status.value for status in Status)
        raise ContractError(("status",), f"status {model.status} is none of {known}") from error


def _owner(model: OpenDataContractStandard) -> str:
    if not isinstance(model.team, Team) or not model.team.name:
        raise ContractError(("team",), "team.name must say who owns the stream")
    return model.team.name


def _primary_key(properties: Sequence[SchemaProperty], fields: tuple[Field, ...]) -> tuple[str, ...]:
    marked = [(p.primaryKeyPosition or 0, i, p.name or "") for i, p in enumerate(properties) if p.primaryKey]
    if not marked:
        raise ContractError((*OBJECT, "properties"), "no property has primaryKey: true")
    for _, position, name in marked:
        if not fields[position].required:
            message = f"{name} is part of the primary key, so it must be required"
            raise ContractError((*OBJECT, "properties", position), message)
    return tuple(name for _, _, name in sorted(marked))


def _partition(properties: Sequence[SchemaProperty], fields: tuple[Field, ...]) -> tuple[PartitionBy, ...]:
    found: list[tuple[int, int, PartitionBy]] = []
    for position, prop in enumerate(properties):
        if prop.partitioned:
            by = _cut(prop, fields[position], (*OBJECT, "properties", position))
            found.append((prop.partitionKeyPosition or 0, position, by))
    return tuple(by for _, _, by in sorted(found, key=lambda entry: entry[:2]))


def _cut(prop: SchemaProperty, column: Field, at: Key) -> PartitionBy:
    is_time = column.type in _TIMES
    custom = read_custom(prop.customProperties, COLUMN_PROPERTIES, at)
    match = _TRANSFORM.match(custom.text("partitionTransform", "month" if is_time else "identity"))
    transform = next((t for t in Transform if match and t.value == match["name"]), None)
    if transform is None or match is None or (match["width"] is None) == (transform in _WIDTHS):
        names = ", ".join(f"{t.value}[n]" if t in _WIDTHS else t.value for t in Transform)
        raise ContractError(at, f"partitionTransform is one of {names}")
    by = PartitionBy(column=column.name, transform=transform, width=int(match["width"] or 0))
    if not _can_cut(transform, column):
        raise ContractError(at, f"{by.text} can't cut {column.name}: see the table of transforms in the docs")
    return by


def _can_cut(transform: Transform, column: Field) -> bool:
    kind = column.type
    if not isinstance(kind, Primitive | Decimal):
        return False
    match transform:
        case Transform.IDENTITY:
            return True
        case Transform.HOUR:
            return kind in {Primitive.TIMESTAMP, Primitive.TIMESTAMPTZ}
        case Transform.BUCKET:
            return kind not in _UNHASHED
        case Transform.TRUNCATE:
            return isinstance(kind, Decimal) or kind in {Primitive.INT, Primitive.LONG, Primitive.STRING}
    return kind in _TIMES


def _migration(properties: Sequence[SchemaProperty], places: Sequence[Key]) -> Iterator[tuple[str, str]]:
    for prop, at in zip(properties, places, strict=True):
        custom = read_custom(prop.customProperties, COLUMN_PROPERTIES, at)
        if "migration" in custom:
            yield prop.name or "", custom.text("migration")


def _refuse_twins(fields: tuple[Field, ...]) -> None:
    seen: set[str] = set()
    for position, column in enumerate(fields):
        at: Key = (*OBJECT, "properties", position, "name")
        if column.name in seen:
            raise ContractError(at, f"column {column.name} stands twice")
        if column.name in {"meta", "change"}:
            raise ContractError(at, f"{column.name} is the name of a column that landing adds")
        seen.add(column.name)


def _text(value: str | None) -> str:
    return " ".join((value or "").split())

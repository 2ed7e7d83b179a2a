"""Read where the records of a stream come from, how they are written, and how many bad ones are too many."""

from __future__ import annotations

from typing import Any

from open_data_contract_standard.model import SchemaObject

from lake.contracts.contract import Breaker, Compatibility, Format, Framing, Mode, Route, StreamKind
from lake.contracts.custom import Custom, read_custom
from lake.contracts.document import ContractError, Key
from lake.contracts.wire import unwritable
from lake.types import Field, Primitive

OBJECT: Key = ("schema", 0)
_BOTH = frozenset({"mode", "eventTime", "allowedLateness", "maxBadShare", "maxBadAfter", "compatibility"})
_TOPIC = _BOTH | {"format", "framing", "route", "key", "subject"}
_EXTRACT = _BOTH | {"source", "resource"}
_TABLE = frozenset({"consumers", "migrations"})
_TIMES = (Primitive.DATE, Primitive.TIMESTAMP, Primitive.TIMESTAMPTZ)


def read_origin(table: SchemaObject, family: str, stream: str, fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return the members of a Contract that `customProperties` of the schema decide."""
    kind = _kind(table)
    if kind is StreamKind.TABLE:
        return {"kind": kind, **_mart(read_custom(table.customProperties, _TABLE, OBJECT))}
    is_topic = kind is StreamKind.TOPIC
    custom = read_custom(table.customProperties, _TOPIC if is_topic else _EXTRACT, OBJECT)
    own = _topic(table, custom, family, stream, fields) if is_topic else _extract(custom)
    return {
        "kind": kind,
        "mode": _choice(custom, "mode", Mode.APPEND),
        "event_time": _event_time(custom, fields, kind),
        "allowed_lateness": custom.duration("allowedLateness"),
        "breaker": Breaker(
            share=custom.share("maxBadShare", Breaker().share),
            records=custom.count("maxBadAfter", Breaker().records),
        ),
        "compatibility": _choice(custom, "compatibility", Compatibility.BACKWARD),
        **own,
    }


def _kind(table: SchemaObject) -> StreamKind:
    try:
        return StreamKind(table.physicalType)
    except ValueError as error:
        message = f"physicalType of the schema must be topic, extract or table, not {table.physicalType}"
        raise ContractError((*OBJECT, "physicalType"), message) from error


def _choice(custom: Custom, name: str, default: Any) -> Any:
    """Return a property that names a member of an enum."""
    kind = type(default)
    try:
        return kind(custom.value(name)) if name in custom else default
    except ValueError as error:
        known = ", ".join(member.value for member in kind)
        message = f"{name} {custom.value(name)} is none of {known}"
        raise ContractError(custom.place(name), message) from error


def _mart(custom: Custom) -> dict[str, Any]:
    """Return who counts on a mart, and what becomes of columns that an earlier version promised."""
    consumers = custom.value("consumers") if "consumers" in custom else []
    if not isinstance(consumers, list) or not all(isinstance(name, str) for name in consumers):
        raise ContractError(custom.place("consumers"), "consumers is a list of names")
    migrations = custom.value("migrations") if "migrations" in custom else {}
    if not isinstance(migrations, dict) or not all(isinstance(text, str) for text in migrations.values()):
        message = "migrations says of each column what to read in its place"
        raise ContractError(custom.place("migrations"), message)
    return {"consumers": tuple(consumers), "migrations": tuple(sorted(migrations.items()))}


def _extract(custom: Custom) -> dict[str, Any]:
    if "source" not in custom or "resource" not in custom:
        message = "an extract names source and resource in customProperties"
        raise ContractError(custom.place(""), message)
    if custom.value("mode") == Mode.CDC.value:
        raise ContractError(custom.place("mode"), "an extract brings no envelopes: mode is append or upsert")
    return {"source": custom.text("source"), "resource": custom.text("resource")}


def _topic(
    table: SchemaObject, custom: Custom, family: str, stream: str, fields: tuple[Field, ...]
) -> dict[str, Any]:
    written = _choice(custom, "format", Format.JSON)
    usual = Framing.PLAIN if written is Format.JSON else Framing.REGISTRY
    key = custom.text("key")
    if key and key not in {f.name for f in fields}:
        raise ContractError(custom.place("key"), f"key {key} is no property")
    if problem := unwritable(fields, written):
        raise ContractError((*OBJECT, "properties"), problem)
    topic = table.physicalName or family
    route = _route(custom)
    # Streams of one topic need subjects of their own: these are what Confluent's serialisers use for a
    # topic with one kind of record, and for one with several (by the name of the record).
    usual_subject = f"{topic}-value" if stream == family and route is None else f"{topic}-{stream}"
    return {
        "topic": topic,
        "format": written,
        "framing": _choice(custom, "framing", usual),
        "route": route,
        "key": key,
        "subject": custom.text("subject", usual_subject),
    }


def _route(custom: Custom) -> Route | None:
    if "route" not in custom:
        return None
    found = custom.mapping("route", frozenset({"header", "value", "otherwise"}))
    header, value, otherwise = found.get("header"), found.get("value"), found.get("otherwise", False)
    if not (isinstance(header, str) and header and isinstance(value, str) and value):
        raise ContractError(custom.place("route"), "route names a header and its value, both texts")
    if not isinstance(otherwise, bool):
        raise ContractError(custom.place("route"), "otherwise of route is true or false")
    return Route(header=header, value=value, otherwise=otherwise)


def _event_time(custom: Custom, fields: tuple[Field, ...], kind: StreamKind) -> str:
    name = custom.text("eventTime")
    if not name:
        if kind is StreamKind.TOPIC:
            raise ContractError(custom.place(""), "a topic names its eventTime in customProperties")
        return ""
    if name not in {f.name for f in fields if f.type in _TIMES}:
        message = f"eventTime {name} is no property of type date or timestamp"
        raise ContractError(custom.place("eventTime"), message)
    return name

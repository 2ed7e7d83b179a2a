"""What a format can't write: found when a contract is read, not when its first record comes."""

from __future__ import annotations

from collections.abc import Iterator

from lake.contracts.contract import Format
from lake.types import Field, FieldType, ListOf, MapOf, Primitive, Struct

_RESERVED = range(19_000, 20_000)  # Protobuf keeps them for itself


def unwritable(fields: tuple[Field, ...], written: Format) -> str:
    """Return why records with these fields can't be written in a format; empty when they can."""
    if written is Format.JSON:
        return ""
    found = _map_keys(fields, "")
    if written is Format.PROTOBUF:
        found = (*found, *_protobuf(fields, ""))
    return next(iter(found), "")


def _map_keys(fields: tuple[Field, ...], parent: str) -> tuple[str, ...]:
    """Name the maps whose keys are no texts: JSON alone reads keys of other types from texts."""
    return tuple(
        f"keys of map {path} are texts in every format but JSON"
        for path, kind in _below(fields, parent)
        if isinstance(kind, MapOf) and kind.key is not Primitive.STRING
    )


def _protobuf(fields: tuple[Field, ...], parent: str) -> Iterator[str]:
    numbers: dict[int, str] = {}
    names: dict[str, str] = {}
    for place, field in enumerate(fields, start=1):
        path = f"{parent}{field.name}"
        number = field.number or place
        if number in _RESERVED:
            yield f"{path} has number {number}, which Protobuf keeps for itself"
        if (other := numbers.setdefault(number, path)) != path:
            yield f"{other} and {path} have the Protobuf number {number}: give one a fieldNumber"
        if (other := names.setdefault(field.name.replace("_", ""), path)) != path:
            yield f"{other} and {path} are one name in Protobuf's JSON: rename one"
        inner = field.type
        if isinstance(inner, ListOf | MapOf):
            inner = inner.element if isinstance(inner, ListOf) else inner.value
            if isinstance(inner, ListOf | MapOf):
                yield f"{path} nests lists or maps, which Protobuf can't write: put an object between"
        if isinstance(inner, Struct):
            yield from _protobuf(inner.fields, f"{path}.")


def _below(fields: tuple[Field, ...], parent: str) -> Iterator[tuple[str, FieldType]]:
    """Yield every type in the fields with the path of its column or member."""
    for field in fields:
        yield from _inside(f"{parent}{field.name}", field.type)


def _inside(path: str, kind: FieldType) -> Iterator[tuple[str, FieldType]]:
    yield path, kind
    match kind:
        case Struct():
            yield from _below(kind.fields, f"{path}.")
        case ListOf():
            yield from _inside(path, kind.element)
        case MapOf():
            yield from _inside(path, kind.value)

"""How the columns of a contract are filled from messages of a writer's schema, decided once per schema.

Columns and fields are matched by name. A column whose field is missing is null; a field without column is
skipped as one that no reader knows. What may become what:

boolean      bool
int, long    every integer type (within the column's range)
double       double, float, every integer type; finite
decimal      a string that holds a number, integers
string       string, an enum's name
binary       bytes
timestamptz  google.protobuf.Timestamp (down to a microsecond), or a string as in JSON
date, timestamp   a string as in JSON
struct       message; list: repeated; map: map
Each of them may stand in Google's wrapper (`StringValue`…). A single value that was not sent is null where
the schema tells it from one that is 0 or empty (`optional`, wrappers, messages), else it is 0 or empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from ingest.codec.misfits import Misfits
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

TIMESTAMP = "google.protobuf.Timestamp"
_WRAPPERS = "google.protobuf."

_F = FieldDescriptor
WHOLE = frozenset({
    _F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32, _F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64,
    _F.TYPE_UINT32, _F.TYPE_FIXED32, _F.TYPE_UINT64, _F.TYPE_FIXED64,
})  # fmt: skip
_TAKEN = {
    Primitive.BOOLEAN: frozenset({_F.TYPE_BOOL}),
    Primitive.INT: WHOLE,
    Primitive.LONG: WHOLE,
    Primitive.DOUBLE: WHOLE | {_F.TYPE_DOUBLE, _F.TYPE_FLOAT},
    Primitive.STRING: frozenset({_F.TYPE_STRING, _F.TYPE_ENUM}),
    Primitive.BINARY: frozenset({_F.TYPE_BYTES}),
    Primitive.DATE: frozenset({_F.TYPE_STRING}),
    Primitive.TIMESTAMP: frozenset({_F.TYPE_STRING}),
    Primitive.TIMESTAMPTZ: frozenset({_F.TYPE_STRING}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A column, or a part of one, and the field that it is filled from; `number` 0: there is none.

    `wire` is the field's type. `names` are those of an enum by their numbers.
    """

    name: str
    kind: FieldType
    number: int = 0
    wire: int = 0
    is_timestamp: bool = False
    is_wrapper: bool = False
    has_presence: bool = False
    names: tuple[tuple[int, str], ...] = ()
    parts: tuple[Fit, ...] = ()  # members of a struct, the element of a list, key and value of a map

    @property
    def is_text(self) -> bool:
        return self.wire == _F.TYPE_STRING


def fit_fields(fields: tuple[Field, ...], message: Any) -> tuple[Fit, ...]:
    """Decide for every column; raises SchemaMisfitError with a reason per column that can't be filled."""
    misfits = Misfits()
    fits = _members(fields, message, "", misfits)
    misfits.check()
    return fits


def _members(fields: tuple[Field, ...], message: Any, parent: str, misfits: Misfits) -> tuple[Fit, ...]:
    own = message.fields_by_name
    return tuple(_fit(f.name, f.type, own.get(f.name), f"{parent}{f.name}", misfits) for f in fields)


def _fit(name: str, kind: FieldType, found: Any, path: str, misfits: Misfits) -> Fit:
    if found is None:
        return Fit(name=name, kind=kind)
    if found.is_repeated:
        fit = _repeated(name, kind, found, path, misfits)
    else:
        fit = _single(name, kind, found, path, misfits)
    if fit is not None:
        return fit
    misfits.add(path, _show(found), kind)
    return Fit(name=name, kind=kind)


def _repeated(name: str, kind: FieldType, found: Any, path: str, misfits: Misfits) -> Fit | None:
    is_map = found.message_type is not None and found.message_type.GetOptions().map_entry
    if isinstance(kind, MapOf) and is_map and kind.key is Primitive.STRING:
        entry = found.message_type.fields_by_name
        key = _single("key", Primitive.STRING, entry["key"], path, misfits)
        value = _single("value", kind.value, entry["value"], path, misfits)
        if key is None or value is None:
            return None
        return Fit(name=name, kind=kind, number=found.number, wire=found.type, parts=(key, value))
    if isinstance(kind, ListOf) and not is_map:
        element = _single("", kind.element, found, f"{path}[]", misfits)
        if element is None:
            return None
        return Fit(name=name, kind=kind, number=found.number, wire=found.type, parts=(element,))
    return None


def _single(name: str, kind: FieldType, found: Any, path: str, misfits: Misfits) -> Fit | None:
    base = {"name": name, "kind": kind, "number": found.number, "has_presence": found.has_presence}
    message = found.message_type
    if message is None:
        if isinstance(kind, Decimal):
            fits = found.type in WHOLE | {_F.TYPE_STRING}
        else:
            fits = isinstance(kind, Primitive) and found.type in _TAKEN[kind]
        names = tuple((v.number, v.name) for v in found.enum_type.values) if found.enum_type else ()
        return Fit(**base, wire=found.type, names=names) if fits else None
    if found.type == _F.TYPE_GROUP:
        return None
    if message.full_name == TIMESTAMP:
        return Fit(**base, wire=found.type, is_timestamp=True) if kind is Primitive.TIMESTAMPTZ else None
    if message.full_name.startswith(_WRAPPERS) and message.full_name.endswith("Value"):
        inner = (
            _single("value", kind, message.fields_by_name["value"], path, misfits)
            if _wraps(message)
            else None
        )
        return inner and Fit(**base, wire=found.type, is_wrapper=True, parts=(inner,))
    if isinstance(kind, Struct):
        return Fit(**base, wire=found.type, parts=_members(kind.fields, message, f"{path}.", misfits))
    return None


def _wraps(message: Any) -> bool:
    return message.full_name.startswith(_WRAPPERS) and [f.name for f in message.fields] == ["value"]


def _show(found: Any) -> str:
    word = (
        found.message_type.full_name if found.message_type is not None else _WORDS.get(found.type, "a group")
    )
    return f"repeated {word}" if found.is_repeated else str(word)


_WORDS = {
    value: name.removeprefix("TYPE_").lower() for name, value in vars(_F).items() if name.startswith("TYPE_")
}

"""A Protobuf schema (proto3) from a contract.

boolean, int, long, double, string, binary   bool, int32, int64, double, string, bytes
timestamp with zone                          google.protobuf.Timestamp
decimal, date, timestamp without zone        string, written as in JSON
object, array, map                           message, repeated, map

Every single value is `optional`, so that one that was not sent differs from 0. Lists and maps have no
such difference and hold no nulls. A field's number is `fieldNumber` of the contract, else its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from lake.contracts.contract import Contract
from lake.contracts.derive.record import record_fields
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

_TIMESTAMP = "google.protobuf.Timestamp"
_IMPORT = "google/protobuf/timestamp.proto"
_NAMES = {
    Primitive.BOOLEAN: "bool",
    Primitive.INT: "int32",
    Primitive.LONG: "int64",
    Primitive.DOUBLE: "double",
    Primitive.BINARY: "bytes",
}
_TYPES = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "string": FieldDescriptorProto.TYPE_STRING,
}


def message_name(name: str) -> str:
    """Return a name as Protobuf writes messages: `OrderLines` for order_lines."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def field_numbers(fields: Sequence[Field]) -> dict[str, int]:
    """Return the number of each field by its name."""
    return {field.name: field.number or place for place, field in enumerate(fields, start=1)}


def protobuf_descriptor(contract: Contract) -> FileDescriptorProto:
    """Return the file `<stream>.proto` as its compiler would describe it; the message is its first."""
    file = FileDescriptorProto(name=f"{contract.stream}.proto", syntax="proto3")
    name = message_name(contract.stream)
    _fill(file.message_type.add(name=name), record_fields(contract), f".{name}")
    if f".{_TIMESTAMP}" in _type_names(file.message_type):
        file.dependency.append(_IMPORT)
    return file


def protobuf_text(contract: Contract) -> str:
    """Return the file as text."""
    file = protobuf_descriptor(contract)
    lines = ['syntax = "proto3";', ""]
    lines += [f'import "{name}";' for name in file.dependency]
    lines += [""] if file.dependency else []
    for message in file.message_type:
        lines += _message_lines(message, "", f".{message.name}")
    return "\n".join(lines) + "\n"


def _fill(message: DescriptorProto, fields: Sequence[Field], path: str) -> None:
    numbers = field_numbers(fields)
    for field in fields:
        own = message.field.add(name=field.name, number=numbers[field.name])
        own.label = FieldDescriptorProto.LABEL_OPTIONAL
        kind = field.type
        if isinstance(kind, ListOf):
            own.label = FieldDescriptorProto.LABEL_REPEATED
            kind = kind.element
        if isinstance(kind, MapOf):
            own.label = FieldDescriptorProto.LABEL_REPEATED
            _set_map(message, own, kind, path)
        else:
            _set_type(message, own, kind, path)
    _mark_optional(message)


def _set_type(message: DescriptorProto, own: FieldDescriptorProto, kind: FieldType, path: str) -> None:
    if isinstance(kind, Struct):
        name = message_name(own.name)
        _fill(message.nested_type.add(name=name), kind.fields, f"{path}.{name}")
        own.type, own.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{path}.{name}"
    elif kind is Primitive.TIMESTAMPTZ:
        own.type, own.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_TIMESTAMP}"
    else:
        text = isinstance(kind, Decimal) or kind not in _NAMES
        own.type = _TYPES["string" if text else _NAMES[kind]]  # type: ignore[index]


def _set_map(message: DescriptorProto, own: FieldDescriptorProto, kind: MapOf, path: str) -> None:
    name = f"{message_name(own.name)}Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    key = entry.field.add(name="key", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL)
    key.type = FieldDescriptorProto.TYPE_STRING
    value = entry.field.add(name="value", number=2, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if isinstance(kind.value, Struct):
        inner = f"{message_name(own.name)}Value"
        _fill(message.nested_type.add(name=inner), kind.value.fields, f"{path}.{inner}")
        value.type, value.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{path}.{inner}"
    else:
        _set_type(entry, value, kind.value, path)
    own.type, own.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{path}.{name}"


def _mark_optional(message: DescriptorProto) -> None:
    """Give presence to single values; messages have it without."""
    for own in message.field:
        if own.label == FieldDescriptorProto.LABEL_OPTIONAL and own.type != FieldDescriptorProto.TYPE_MESSAGE:
            own.proto3_optional, own.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{own.name}")


def _type_names(messages: Sequence[DescriptorProto]) -> set[str]:
    found: set[str] = set()
    for message in messages:
        found |= {own.type_name for own in message.field} | _type_names(message.nested_type)
    return found


def _message_lines(message: DescriptorProto, indent: str, path: str) -> Iterator[str]:
    entries = {f"{path}.{n.name}": n for n in message.nested_type if n.options.map_entry}
    yield f"{indent}message {message.name} {{"
    for nested in message.nested_type:
        if not nested.options.map_entry:
            yield from _message_lines(nested, f"{indent}  ", f"{path}.{nested.name}")
    for own in message.field:
        if own.type_name in entries:
            key, value = entries[own.type_name].field
            kind = f"map<{_word(key)}, {_word(value)}>"
        else:
            kind = f"{_label(own)}{_word(own)}"
        yield f"{indent}  {kind} {own.name} = {own.number};"
    yield f"{indent}}}"


def _label(own: FieldDescriptorProto) -> str:
    if own.label == FieldDescriptorProto.LABEL_REPEATED:
        return "repeated "
    return "optional " if own.proto3_optional else ""


def _word(own: FieldDescriptorProto) -> str:
    if own.type == FieldDescriptorProto.TYPE_MESSAGE:
        return own.type_name.removeprefix(".") if own.type_name == f".{_TIMESTAMP}" else own.type_name
    return next(word for word, number in _TYPES.items() if number == own.type)

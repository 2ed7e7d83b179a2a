"""A message type of our own with just the fields that columns ask for, by the writer's numbers and types.

Both paths read by it, so they agree on what a record holds, and whatever else a writer's schema has
(messages inside themselves, extensions, groups) neither can go wrong over it nor costs anything. Enums are
plain numbers in it, Google's Timestamp is two of them, and a map is a list of entries: as on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from ingest.codec.protobuf.fit import Fit
from lake.types import ListOf, MapOf

_F = FieldDescriptorProto
SECONDS, NANOS = "seconds", "nanos"


def field_name(place: int) -> str:
    """Return how the mirror names the field of the column, member, key or value at this place."""
    return f"f{place}"


def mirror(fits: tuple[Fit, ...]) -> tuple[Any, type[Any]]:
    """Return the message's descriptor and the class that reads it."""
    file = descriptor_pb2.FileDescriptorProto(name="mirror.proto", package="mirror", syntax="proto3")
    _fill(file.message_type.add(name="Row"), fits, ".mirror.Row")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("mirror.Row")
    return descriptor, message_factory.GetMessageClass(descriptor)


def _fill(message: DescriptorProto, fits: Sequence[Fit], path: str) -> None:
    for place, fit in enumerate(fits):
        if not fit.number:
            continue
        own = message.field.add(name=field_name(place), number=fit.number, label=_F.LABEL_OPTIONAL)
        single = fit
        if isinstance(fit.kind, ListOf | MapOf):
            own.label = _F.LABEL_REPEATED
            single = fit.parts[0] if isinstance(fit.kind, ListOf) else fit
        _set_type(message, own, single, f"{path}.M{place}")
        if own.label == _F.LABEL_OPTIONAL and own.type != _F.TYPE_MESSAGE and fit.has_presence:
            own.proto3_optional, own.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{own.name}")


def _set_type(message: DescriptorProto, own: FieldDescriptorProto, fit: Fit, path: str) -> None:
    if fit.wire == _F.TYPE_ENUM:
        own.type = _F.TYPE_INT32
        return
    own.type = fit.wire  # type: ignore[assignment]
    if fit.wire != _F.TYPE_MESSAGE:
        return
    own.type_name = path
    inner = message.nested_type.add(name=path.rsplit(".", 1)[1])
    if fit.is_timestamp:
        inner.field.add(name=SECONDS, number=1, type=_F.TYPE_INT64, label=_F.LABEL_OPTIONAL)
        inner.field.add(name=NANOS, number=2, type=_F.TYPE_INT32, label=_F.LABEL_OPTIONAL)
        return
    _fill(inner, fit.parts, path)

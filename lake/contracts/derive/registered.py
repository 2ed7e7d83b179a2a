"""A contract's schema as a registry holds it: subject, type, text and an id that anybody can compute.

The id comes from subject and text alone, so a registry that serves contracts needs no memory for it, and
two of them agree. Redpanda's or Confluent's own registry gives other ids; the frame of a record is read
with the registry that its writer used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lake.contracts.contract import Contract, Format, stream_name
from lake.contracts.derive.avro import avro_schema
from lake.contracts.derive.json_schema import json_schema
from lake.contracts.derive.protobuf import message_name, protobuf_descriptor, protobuf_text
from lake.errors import ConfigurationError

_MESSAGE = re.compile(r"^message (?P<name>\w+)", re.MULTILINE)


class SchemaType(StrEnum):
    """The registry's words for formats."""

    AVRO = "AVRO"
    JSON = "JSON"
    PROTOBUF = "PROTOBUF"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSchema:
    """One schema under one subject; `text` is what clients get."""

    subject: str
    id: int
    type: SchemaType
    text: str


def registered_schema(contract: Contract) -> RegisteredSchema:
    """Return the schema of a topic's records, in the format of the contract."""
    match contract.format:
        case Format.AVRO:
            kind, text = SchemaType.AVRO, avro_schema(contract)
        case Format.PROTOBUF:
            kind, text = SchemaType.PROTOBUF, protobuf_text(contract)
        case Format.JSON:
            kind, text = SchemaType.JSON, json_schema(contract)
    return RegisteredSchema(
        subject=contract.subject, id=schema_id(contract.subject, text), type=kind, text=text
    )


def schema_id(subject: str, text: str) -> int:
    """Return a number from 1 to 2^31 - 1 for a schema under a subject."""
    hashed = hashlib.sha256(f"{subject}\0{text}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") % (2**31 - 1) + 1


def check_ids(schemas: Iterable[RegisteredSchema]) -> dict[int, RegisteredSchema]:
    """Return the schemas by id; raises ConfigurationError when two different ones have the same."""
    by_id: dict[int, RegisteredSchema] = {}
    for schema in schemas:
        other = by_id.setdefault(schema.id, schema)
        if (other.subject, other.text) != (schema.subject, schema.text):
            raise ConfigurationError(
                f"the schemas of subjects {other.subject} and {schema.subject} have the same id {schema.id}",
                hint=f"give {schema.subject} another subject in its contract; then lake contract check",
            )
    return by_id


def protobuf_serialized(contract: Contract) -> str:
    """Return the schema as clients ask for it with `format=serialized`: the compiled file in Base64."""
    return base64.b64encode(protobuf_descriptor(contract).SerializeToString()).decode("ascii")


def schema_major(kind: SchemaType, text: str, family: str, majors: Iterable[int]) -> int | None:
    """Return the major version that a writer's schema says it is of, by the name of its record.

    The name is that of the version's stream (`orders`, `orders_v2`; in Protobuf `Orders`, `OrdersV2`).
    None when it is another name: then the schema says nothing.
    """
    match kind:
        case SchemaType.PROTOBUF:
            found = _MESSAGE.search(text)
            name = found["name"] if found else ""
        case _:
            document = json.loads(text)
            members = document if isinstance(document, dict) else {}
            name = str(members.get("name" if kind is SchemaType.AVRO else "title", ""))
    for major in majors:
        stream = stream_name(family, f"{major}.0.0")
        if name == (message_name(stream) if kind is SchemaType.PROTOBUF else stream):
            return major
    return None

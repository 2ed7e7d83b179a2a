"""What is made from a contract: schemas for the registry, checks for data frames, a page for people.

Each text depends on nothing but the contract, so the same contract always gives the same bytes.
"""

from lake.contracts.derive.avro import avro_schema
from lake.contracts.derive.json_schema import json_schema
from lake.contracts.derive.protobuf import protobuf_descriptor, protobuf_text
from lake.contracts.derive.record import record_fields
from lake.contracts.derive.registered import (
    RegisteredSchema,
    check_ids,
    protobuf_serialized,
    registered_schema,
    schema_id,
    schema_major,
)

__all__ = [
    "RegisteredSchema",
    "avro_schema",
    "check_ids",
    "json_schema",
    "protobuf_descriptor",
    "protobuf_serialized",
    "protobuf_text",
    "record_fields",
    "registered_schema",
    "schema_id",
    "schema_major",
]

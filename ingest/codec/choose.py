"""The codec of a contract."""

from __future__ import annotations

from ingest.codec.avro import AvroCodec
from ingest.codec.blocks import JsonCodec
from ingest.codec.decoded import Codec
from ingest.codec.frame import FramedCodec, Schemas, expect_kind
from ingest.codec.protobuf import ProtobufCodec
from lake.broker import RegisteredSchema
from lake.contracts import Contract, Format, Framing
from lake.contracts.derive import avro_schema, protobuf_text
from lake.types import Field


def choose_codec(contract: Contract, schemas: Schemas) -> Codec:
    """Return what reads the records of a topic as its contract says they are written.

    Without a frame nothing tells which schema wrote a record, so it is the contract's own.
    """
    fields = contract.fields
    match contract.format, contract.framing:
        case (Format.JSON, Framing.PLAIN):
            return JsonCodec(fields)
        case (Format.JSON, Framing.REGISTRY):
            return FramedCodec(fields, schemas, any_schema=JsonCodec(fields))
        case (Format.AVRO, Framing.PLAIN):
            return AvroCodec(fields, avro_schema(contract))
        case (Format.PROTOBUF, Framing.PLAIN):
            return ProtobufCodec(fields, protobuf_text(contract))
    return FramedCodec(fields, schemas, make=lambda schema: _of_schema(contract.format, fields, schema))


def _of_schema(written: Format, fields: tuple[Field, ...], schema: RegisteredSchema) -> Codec:
    expect_kind(schema, written.name)
    if written is Format.AVRO:
        return AvroCodec(fields, schema.text, [file.text for file in schema.files])
    return ProtobufCodec(fields, schema.text, schema.files)

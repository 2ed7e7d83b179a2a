"""The codec of a contract."""

from __future__ import annotations

from ingest.codec.avro import AvroCodec
from ingest.codec.blocks import JsonCodec
from ingest.codec.decoded import Codec
from ingest.codec.envelope import EnvelopeCodec
from ingest.codec.frame import FramedCodec, Schemas, expect_kind
from ingest.codec.protobuf import ProtobufCodec
from lake.broker import RegisteredSchema
from lake.contracts import Contract, Format, Framing, Mode
from lake.contracts.derive import avro_schema, protobuf_text
from lake.types import Field


def choose_codec(contract: Contract, schemas: Schemas, fields: tuple[Field, ...] | None = None) -> Codec:
    """Return what reads the records of a topic as its contract says they are written.

    `fields` are the members of a record where they are not the contract's own: Debezium's envelope.
    Without a frame nothing tells which schema wrote a record, so it is the contract's own.
    """
    members = fields or contract.fields
    match contract.format, contract.framing:
        case (Format.JSON, Framing.PLAIN):
            return _json(contract, members)
        case (Format.JSON, Framing.REGISTRY):
            return FramedCodec(members, schemas, any_schema=_json(contract, members))
        case (Format.AVRO, Framing.PLAIN):
            return AvroCodec(members, avro_schema(contract))
        case (Format.PROTOBUF, Framing.PLAIN):
            return ProtobufCodec(members, protobuf_text(contract))
    return FramedCodec(members, schemas, make=lambda schema: _of_schema(contract.format, members, schema))


def choose_key_codec(contract: Contract, schemas: Schemas) -> Codec | None:
    """Return what reads framed keys of a changelog into its primary key; None where keys are JSON or text."""
    if contract.format is Format.JSON or contract.framing is Framing.PLAIN:
        return None
    fields = tuple(contract.column(name) for name in contract.primary_key)
    return FramedCodec(fields, schemas, make=lambda schema: _of_schema(contract.format, fields, schema))


def _json(contract: Contract, fields: tuple[Field, ...]) -> Codec:
    return EnvelopeCodec(fields) if contract.mode is Mode.CDC else JsonCodec(fields)


def _of_schema(written: Format, fields: tuple[Field, ...], schema: RegisteredSchema) -> Codec:
    expect_kind(schema, written.name)
    if written is Format.AVRO:
        return AvroCodec(fields, schema.text, [file.text for file in schema.files])
    return ProtobufCodec(fields, schema.text, schema.files)

"""The codec of a contract."""

from __future__ import annotations

from ingest.codec.avro import AvroCodec
from ingest.codec.blocks import JsonCodec
from ingest.codec.decoded import Codec
from ingest.codec.frame import FramedCodec, Schemas, expect_kind
from lake.broker import RegisteredSchema
from lake.contracts import Contract, Format, Framing
from lake.errors import ConfigurationError
from lake.types import Field


def choose_codec(contract: Contract, schemas: Schemas) -> Codec:
    """Return what reads the records of a topic as its contract says they are written."""
    fields = contract.fields
    match contract.format, contract.framing:
        case (Format.JSON, Framing.PLAIN):
            return JsonCodec(fields)
        case (Format.JSON, _):
            return FramedCodec(fields, schemas, any_schema=JsonCodec(fields))
        case (Format.AVRO, Framing.REGISTRY):
            return FramedCodec(fields, schemas, make=lambda schema: _avro(fields, schema))
    raise ConfigurationError(
        f"{contract.file or contract.stream}: {contract.format.value} with framing {contract.framing.value}"
        " can't be read",
        hint="set framing: registry",
    )


def _avro(fields: tuple[Field, ...], schema: RegisteredSchema) -> Codec:
    expect_kind(schema, "AVRO")
    return AvroCodec(fields, schema.text, [file.text for file in schema.files])

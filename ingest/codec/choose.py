"""The codec of a contract."""

from __future__ import annotations

from ingest.codec.blocks import JsonCodec
from ingest.codec.decoded import Codec
from ingest.codec.frame import FramedCodec, Schemas
from lake.contracts import Contract, Framing


def choose_codec(contract: Contract, schemas: Schemas) -> Codec:
    """Return what reads the records of a topic as its contract says they are written."""
    json = JsonCodec(contract.fields)
    if contract.framing is Framing.PLAIN:
        return json
    return FramedCodec(contract.fields, schemas, any_schema=json)

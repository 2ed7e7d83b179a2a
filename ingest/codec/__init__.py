"""Bytes of records to typed columns; which records can't be read, and why."""

from ingest.codec.blocks import JsonCodec
from ingest.codec.choose import choose_codec, choose_key_codec
from ingest.codec.decoded import BadRow, Codec, Decoded
from ingest.codec.frame import Schemas, frame_ids
from ingest.codec.values import Failure

__all__ = [
    "BadRow",
    "Codec",
    "Decoded",
    "Failure",
    "JsonCodec",
    "Schemas",
    "choose_codec",
    "choose_key_codec",
    "frame_ids",
]

"""Bytes of records to typed columns; which records can't be read, and why."""

from ingest.codec.blocks import BadRow, Decoded, JsonCodec
from ingest.codec.values import Failure

__all__ = ["BadRow", "Decoded", "Failure", "JsonCodec"]

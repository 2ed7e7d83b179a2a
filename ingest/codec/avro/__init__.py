"""Avro: records by their writer's schema to the columns of a contract."""

from ingest.codec.avro.codec import AvroCodec

__all__ = ["AvroCodec"]

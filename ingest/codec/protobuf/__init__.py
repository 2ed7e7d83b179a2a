"""Protobuf: messages by their writer's schema to the columns of a contract."""

from ingest.codec.protobuf.codec import ProtobufCodec

__all__ = ["ProtobufCodec"]

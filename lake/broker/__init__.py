"""The Kafka API: topics, reading by offsets, ends of logs. Settings in, errors of lake.errors out."""

from lake.broker.client import client_configuration, full_name
from lake.broker.ends import read_ends, read_true_ends
from lake.broker.probe import count_brokers
from lake.broker.producer import Delivered, Outgoing, TopicProducer
from lake.broker.reader import LogReader, Polled
from lake.broker.records import IDEMPOTENCY_HEADER, Chunk, Headers, Shard, header
from lake.broker.registry import RegisteredSchema, SchemaFile, SchemaRegistry
from lake.broker.topics import Topic, create_topic, describe_topic, describe_topics

__all__ = [
    "IDEMPOTENCY_HEADER",
    "Chunk",
    "Delivered",
    "Headers",
    "LogReader",
    "Outgoing",
    "Polled",
    "RegisteredSchema",
    "SchemaFile",
    "SchemaRegistry",
    "Shard",
    "Topic",
    "TopicProducer",
    "client_configuration",
    "count_brokers",
    "create_topic",
    "describe_topic",
    "describe_topics",
    "full_name",
    "header",
    "read_ends",
    "read_true_ends",
]

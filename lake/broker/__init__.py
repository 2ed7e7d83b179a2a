"""The Kafka API: topics, reading by offsets, ends of logs. Settings in, errors of lake.errors out."""

from lake.broker.client import client_configuration, full_name
from lake.broker.ends import read_ends
from lake.broker.probe import count_brokers
from lake.broker.producer import Delivered, Outgoing, TopicProducer
from lake.broker.reader import IDEMPOTENCY_HEADER, Chunk, Polled, TopicReader
from lake.broker.topics import Topic, create_topic, describe_topic

__all__ = [
    "IDEMPOTENCY_HEADER",
    "Chunk",
    "Delivered",
    "Outgoing",
    "Polled",
    "Topic",
    "TopicProducer",
    "TopicReader",
    "client_configuration",
    "count_brokers",
    "create_topic",
    "describe_topic",
    "full_name",
    "read_ends",
]

"""The floor of landing: consume, decode by the same codecs, and Parquet on the local disk, and no more."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.codec import Codec, choose_codec
from ingest.memory import made_for_records
from lake.broker import LogReader, Shard, describe_topic
from lake.contracts import Contract
from lake.settings import Settings

_BLOCK = 8_192


class NoSchemas:
    """Records without a frame name no schema."""

    def known(self, number: int) -> None:
        del number


def floor(settings: Settings, own: Contract, target: Path) -> int:
    """Return how many records were consumed, decoded and written: no check, upload, coordinate or commit."""
    with made_for_records():
        return _floor(settings, own, target)


def _floor(settings: Settings, own: Contract, target: Path) -> int:
    codec: Codec = choose_codec(own, NoSchemas())
    topic = describe_topic(settings.broker, own.topic)
    assert topic is not None
    reader = LogReader(settings.broker, group="floor")
    reader.assign({Shard(topic.name, p): None for p in topic.partitions})
    waiting: list[bytes | None] = []
    rows, ended, file = 0, set(), None
    while len(ended) < len(topic.partitions) or waiting:
        polled = reader.poll(records=2_000, seconds=0.2)
        ended |= polled.ended.keys()
        for chunk in polled.chunks:
            waiting.extend(chunk.values)
        done = len(ended) == len(topic.partitions)
        while len(waiting) >= _BLOCK or (done and waiting):
            block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
            table: pa.Table = codec.decode(block).rows
            rows += table.num_rows
            file = file or pq.ParquetWriter(target, table.schema, compression="zstd", compression_level=1)
            file.write_table(table)
    reader.close()
    if file is not None:
        file.close()
    return rows

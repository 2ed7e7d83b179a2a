"""Landing the demo's year of basket lines: seconds, rows per second and per CPU second, memory.

Against the floor of the same run: reading, Arrow's JSON reader and Parquet files on the local disk, with no
check, no coordinates, no upload and no commit. Both in processes of their own, on a stack of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.results import Figure, against_goal, write
from benchmarks.sandbox import ROOT, cpu, in_child, megabytes, temporary_stack
from ingest.landing import choose, run_streams
from lake.broker import LogReader, Shard, describe_topic
from lake.catalog import arrow_schema, open_catalog
from lake.contracts import Contract, load_contracts
from lake.settings import Project, Settings, load_settings

STREAM = "transactions"
GOAL_SECONDS = 15.0
GOAL_MEGABYTES = 600.0
BLOCK_RECORDS = 8_192


def main() -> None:
    """Replay the year into a new stack, then measure the floor, the landing and a run with nothing to do."""
    with temporary_stack() as (project, settings):
        _replay(project, settings)
        measured = {
            part: in_child("benchmarks.landing", part, str(project.root))
            for part in ("floor", "land", "again")
        }
    floor, land, again = measured["floor"], measured["land"], measured["again"]
    write(
        "landing",
        [
            against_goal("landing: first poll to last commit", land["seconds"], "s", GOAL_SECONDS),
            _per_floor("landing: rows per second", land, floor, "seconds"),
            _per_floor("landing: rows per CPU second", land, floor, "cpu"),
            Figure(metric="floor: seconds", value=round(floor["seconds"], 2), unit="s"),
            against_goal("landing: memory of the process", land["megabytes"], "MB", GOAL_MEGABYTES),
            Figure(metric="landing: rows", value=land["rows"], unit="rows"),
            Figure(metric="landing: nothing new", value=round(again["seconds"], 2), unit="s"),
        ],
    )


def _per_floor(metric: str, land: dict[str, Any], floor: dict[str, Any], by: str) -> Figure:
    value, most = land["rows"] / land[by], floor["rows"] / floor[by]
    return Figure(
        metric=metric,
        value=round(value),
        unit="rows/s",
        against="floor of the run",
        ratio=round(value / most, 2),
    )


def _replay(project: Project, settings: Settings) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "demo", "replay", "--stream", STREAM),
            *("--state", project.state / "demo.json", "--bootstrap", settings.broker.bootstrap_servers),
        ],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def child(part: str, root: Path) -> None:
    """Do one part and print its figures as JSON; imports and connecting are not counted."""
    settings = load_settings(project=Project(root=root))
    (contract,) = choose(load_contracts(ROOT / "ingest" / "contracts"), [STREAM])
    catalog = open_catalog(settings)
    before = cpu()
    if part == "floor":
        began = time.monotonic()
        rows = _floor(settings, contract, root)
        seconds = time.monotonic() - began
    else:
        (report,) = run_streams(settings, [contract], catalog=catalog)
        rows, seconds = report.landed + report.quarantined, report.seconds
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu() - before, "megabytes": megabytes()}))


def _floor(settings: Settings, contract: Contract, root: Path) -> int:
    topic = describe_topic(settings.broker, contract.topic)
    assert topic is not None
    reader = LogReader(settings.broker, group="floor")
    reader.assign({Shard(topic.name, p): None for p in topic.partitions})
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(contract.fields)])
    waiting: list[bytes] = []
    rows, ended = 0, set()
    with pq.ParquetWriter(root / "floor.parquet", schema, compression="zstd", compression_level=1) as writer:
        while len(ended) < len(topic.partitions):
            polled = reader.poll(records=2_000, seconds=0.2)
            ended |= polled.ended.keys()
            for chunk in polled.chunks:
                rows += len(chunk)
                waiting.extend(v for v in chunk.values if v is not None and v[:1] == b"{")
            if len(waiting) >= BLOCK_RECORDS or len(ended) == len(topic.partitions):
                _write(writer, waiting, schema)
                waiting = []
    reader.close()
    return rows


def _write(writer: pq.ParquetWriter, values: list[bytes], schema: pa.Schema) -> None:
    """Write what Arrow's reader takes; a block with a bad record is cut in two, as cheaply as that goes."""
    if not values:
        return
    blob = b"\n".join(values)
    try:
        table = pj.read_json(
            pa.BufferReader(blob),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(blob) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        half = len(values) // 2
        if half:
            _write(writer, values[:half], schema)
            _write(writer, values[half:], schema)
        return
    writer.write_table(table.select(schema.names).cast(schema))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], Path(sys.argv[2]))
    else:
        main()

"""Landing from the broker to a queryable Iceberg table, per CPU second of the landing process.

JSON, Avro and Protobuf, each against the floor of the same run: consume, decode by the same library, and
Parquet on the local disk, with no check, no coordinates, no upload and no commit. Then what poison costs,
how fresh rows are at a steady rate, what a commit costs when there are many, and many streams at once.
Every measured part is a process of its own, on a stack of its own.

`--minutes 10` measures freshness as long as the goal says, `--commits 10000` commits so many, `--records`
sets how many of each format are landed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from google.protobuf import message_factory

from benchmarks.results import Figure, against_goal, write
from ingest.codec import Codec, choose_codec
from ingest.codec.protobuf.schema import compile_schema
from ingest.landing import run_streams
from lake.broker import LogReader, Shard, create_topic, describe_topic
from lake.catalog import load_table, open_catalog
from lake.contracts import Contract, Format, Framing, StreamKind
from lake.contracts.derive import avro_schema, protobuf_text
from lake.control import migrate
from lake.settings import Project, Settings, load_settings
from lake.stack import start, stop
from lake.types import Decimal, Field, Primitive, TableName

ROOT = Path(__file__).parents[1]
PARTITIONS = 4
BLOCK = 8_192
GOALS = {Format.JSON: 150_000, Format.AVRO: 250_000, Format.PROTOBUF: 200_000}
GOAL_MEGABYTES = 600.0
RATE = 20_000
STREAMS = 200
START = datetime(2026, 1, 1, tzinfo=UTC)

FIELDS = (
    Field(name="household_id", type=Primitive.LONG),
    Field(name="store_id", type=Primitive.LONG),
    Field(name="basket_id", type=Primitive.LONG),
    Field(name="product_id", type=Primitive.LONG),
    Field(name="quantity", type=Primitive.LONG),
    Field(name="sales_value", type=Decimal(precision=12, scale=2)),
    Field(name="discount", type=Primitive.DOUBLE),
    Field(name="channel", type=Primitive.STRING),
    Field(name="city", type=Primitive.STRING),
    Field(name="note", type=Primitive.STRING),
    Field(name="ordered_at", type=Primitive.TIMESTAMPTZ),
)


def contract(written: Format, name: str = "") -> Contract:
    """Return the contract of one stream of the benchmark."""
    stream = name or f"bench_{written.value}"
    return Contract(
        stream=stream,
        family=stream,
        version="1.0.0",
        kind=StreamKind.TOPIC,
        owner="benchmark",
        description="Records of the benchmark.",
        topic=stream,
        subject=f"{stream}-value",
        format=written,
        framing=Framing.PLAIN,
        event_time="ordered_at",
        primary_key=("basket_id", "product_id"),
        fields=FIELDS,
    )


def value(number: int) -> dict[str, Any]:
    return {
        "household_id": 1 + number % 2500,
        "store_id": 1 + number % 500,
        "basket_id": 31_198_570_044 + number,
        "product_id": 1 + (number * 7919) % 10**6,
        "quantity": number % 4,
        "sales_value": Number(number % 10_000) / 100,
        "discount": (number % 97) / 7,
        "channel": ("store", "web", "phone")[number % 3],
        "city": ("Cincinnati", "Dayton", "Columbus", "Cleveland")[number % 4],
        "note": None if number % 3 else f"basket {number % 1000} of the day, paid with card and points",
        "ordered_at": START + timedelta(seconds=number // 10),
    }


def writer(own: Contract) -> Callable[[int], bytes]:
    """Return what writes a record in a contract's format."""
    if own.format is Format.JSON:
        return _json
    if own.format is Format.AVRO:
        schema = fastavro.parse_schema(json.loads(avro_schema(own)))

        def as_avro(number: int) -> bytes:
            out = BytesIO()
            fastavro.schemaless_writer(out, schema, value(number))
            return out.getvalue()

        return as_avro
    file = compile_schema(protobuf_text(own))
    kind = message_factory.GetMessageClass(next(iter(file.message_types_by_name.values())))

    def as_protobuf(number: int) -> bytes:
        found = value(number)
        moment, found["sales_value"] = found.pop("ordered_at"), f"{found['sales_value']:.2f}"
        message = kind(**{name: own for name, own in found.items() if own is not None})
        message.ordered_at.seconds = int(moment.timestamp())
        body: bytes = message.SerializeToString()
        return body

    return as_protobuf


def _json(number: int) -> bytes:
    found = value(number)
    note = "null" if found["note"] is None else f'"{found["note"]}"'
    return (
        f'{{"household_id":{found["household_id"]},"store_id":{found["store_id"]},'
        f'"basket_id":{found["basket_id"]},"product_id":{found["product_id"]},'
        f'"quantity":{found["quantity"]},"sales_value":{found["sales_value"]:.2f},'
        f'"discount":{found["discount"]:.4f},"channel":"{found["channel"]}","city":"{found["city"]}",'
        f'"note":{note},"ordered_at":"{found["ordered_at"]:%Y-%m-%dT%H:%M:%SZ}"}}'
    ).encode()


def produce(settings: Settings, own: Contract, records: int, *, poison_every: int = 0) -> float:
    """Write records; returns their mean size in bytes."""
    create_topic(settings.broker, own.topic, partitions=PARTITIONS)
    producer = Producer(
        {
            "bootstrap.servers": settings.broker.bootstrap_servers,
            "linger.ms": 50,
            "queue.buffering.max.messages": 500_000,
        }
    )
    write_one, size = writer(own), 0
    for number in range(records):
        bad = poison_every and number % poison_every == poison_every // 2
        body = b"\xff" if bad else write_one(number)
        size += len(body)
        producer.produce(f"{settings.broker.topic_prefix}{own.topic}", body, partition=number % PARTITIONS)
        if number % 5_000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0
    return size / records


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class NoSchemas:
    """Records without a frame name no schema."""

    def known(self, number: int) -> None:
        del number


def floor(settings: Settings, own: Contract, target: Path) -> int:
    """Consume, decode and write Parquet on the disk; returns how many records that were."""
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
        while len(waiting) >= BLOCK or (done and waiting):
            block, waiting = waiting[:BLOCK], waiting[BLOCK:]
            table: pa.Table = codec.decode(block).rows
            rows += table.num_rows
            file = file or pq.ParquetWriter(target, table.schema, compression="zstd", compression_level=1)
            file.write_table(table)
    reader.close()
    if file is not None:
        file.close()
    return rows


def child(part: str, root: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Do one part and return its figures; imports and connecting are not counted."""
    settings = load_settings(project=Project(root=root))
    if part == "follow":
        return _follow(settings, **options)
    own = contract(Format(options["format"]), options.get("stream", ""))
    catalog = open_catalog(settings)
    landing = settings.landing.model_copy(update=options.get("landing", {}))
    settings = settings.model_copy(update={"landing": landing})
    steps: list[float] = []
    before, began = cpu(), time.monotonic()
    if part == "floor":
        rows = floor(settings, own, root / f"{own.stream}.parquet")
    else:
        (report,) = run_streams(settings, [own], catalog=catalog, observer=lambda _: steps.append(cpu()))
        rows = report.landed + report.quarantined
    return {
        "rows": rows,
        "cpu": cpu() - before,
        "seconds": time.monotonic() - began,
        "megabytes": megabytes(),
        "steps": steps,
    }


def _follow(settings: Settings, *, streams: list[str], commit_seconds: float, rows: int) -> dict[str, Any]:
    """Follow streams until so many rows have landed; tells when each commit was acknowledged."""
    landing = settings.landing.model_copy(update={"commit_seconds": commit_seconds})
    done, counts, acknowledged = threading.Event(), {}, []

    def observe(progress: Any) -> None:
        if not acknowledged:
            print("ready", flush=True)
        counts[progress.stream] = progress.landed + progress.quarantined
        acknowledged.append(time.time())
        if sum(counts.values()) >= rows:
            done.set()

    before, began = cpu(), time.monotonic()
    reports = run_streams(
        settings.model_copy(update={"landing": landing}),
        [contract(Format.JSON, name) for name in streams],
        follow=True,
        stop=done,
        observer=observe,
    )
    return {
        "rows": sum(r.landed + r.quarantined for r in reports),
        "commits": sum(r.commits for r in reports),
        "cpu": cpu() - before,
        "seconds": time.monotonic() - began,
        "megabytes": megabytes(),
        "threads": threading.active_count(),
        "acknowledged": acknowledged,
    }


def start_child(project: Project, part: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ingest", "--child", part, str(project.root), json.dumps(options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )


def result(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    answer, _ = process.communicate()
    if process.returncode:
        sys.exit(f"a part of the benchmark failed with {process.returncode}")
    document: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return document


def in_child(project: Project, part: str, **options: Any) -> dict[str, Any]:
    return result(start_child(project, part, **options))


def formats(project: Project, settings: Settings, records: int) -> Iterator[Figure]:
    """Land each format and its floor, one after the other."""
    for written, goal in GOALS.items():
        own = contract(written)
        size = produce(settings, own, records)
        low = in_child(project, "floor", format=written.value)
        land = in_child(project, "land", format=written.value)
        assert low["rows"] == land["rows"] == records
        rate, most = land["rows"] / land["cpu"], low["rows"] / low["cpu"]
        name = f"{written.value} of {size:.0f} B"
        yield _at_least(f"{name}: records per CPU second", rate, "rec/s", goal)
        yield Figure(metric=f"{name}: against the floor", value=round(most), unit="rec/s",
                     against="floor of the run", ratio=round(rate / most, 2))  # fmt: skip
        if written is Format.JSON:
            yield _at_least(f"{name}: bytes per CPU second", rate * size / 1e6, "MB/s", 40)
        yield against_goal(f"{name}: memory of the process", land["megabytes"], "MB", GOAL_MEGABYTES)


def poison(project: Project, settings: Settings, records: int) -> Iterator[Figure]:
    """Land the same records clean, with one bad one, and with one in a hundred."""
    used = {}
    for name, every in (("clean", 0), ("rare", records), ("frequent", 100)):
        own = contract(Format.JSON, f"bench_{name}")
        produce(settings, own, records, poison_every=every)
        used[name] = in_child(project, "land", format="json", stream=own.stream)["cpu"]
    for name, most in (("rare", 0.02), ("frequent", 0.2)):
        cost = used[name] / used["clean"] - 1
        label = f"one in {records}" if name == "rare" else "one in a hundred"
        yield Figure(metric=f"poison, {label}: CPU more than clean", value=round(100 * cost, 1), unit="%",
                     against=f"goal < {100 * most:g} %", ratio=round(cost / most, 2))  # fmt: skip


def commits(project: Project, settings: Settings, count: int) -> Iterator[Figure]:
    """Commit many small batches: what one costs, and whether the last ones cost more than the first."""
    own = contract(Format.JSON, "bench_commits")
    produce(settings, own, count * 100)
    landing = {"commit_rows": 100}
    found = in_child(project, "land", format="json", stream=own.stream, landing=landing)
    steps = found["steps"]
    each = [after - before for before, after in pairwise(steps)]
    part = max(1, len(each) // 5)
    first, last = sum(each[part : 2 * part]) / part, sum(each[-part:]) / part
    yield against_goal(f"CPU per commit, the last fifth of {len(steps)}", 1000 * last, "ms", 100)
    yield Figure(
        metric="CPU per commit, last fifth against the second",
        value=round(1000 * first, 1),
        unit="ms",
        against="second fifth",
        ratio=round(last / first, 2),
    )


def freshness(project: Project, settings: Settings, seconds: float) -> Iterator[Figure]:
    """Produce at a steady rate while a process follows with commits of five seconds.

    A row's age counts from the producer's call, so it holds the time until the broker has it: that is told
    beside it, since producer, broker and landing share the machine.
    """
    own, total = contract(Format.JSON, "bench_fresh"), int(RATE * seconds)
    create_topic(settings.broker, own.topic, partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": settings.broker.bootstrap_servers, "linger.ms": 20})
    topic = f"{settings.broker.topic_prefix}{own.topic}"
    producer.produce(topic, _json(0))  # the group has formed and all is warm once it has landed
    following = start_child(project, "follow", streams=[own.stream], commit_seconds=5.0, rows=total + 1)
    assert following.stdout is not None
    following.stdout.readline()
    began, first = time.monotonic(), time.time()
    answered: list[float] = []
    for number in range(total):
        sampled = number % 500 == 0
        producer.produce(
            topic,
            _json(number),
            partition=number % PARTITIONS,
            on_delivery=(lambda _, message: answered.append(message.latency())) if sampled else None,
        )
        if number % 1000 == 0:
            producer.poll(0)
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
    assert producer.flush(60) == 0
    found = result(following)
    waited = _waits(settings, own, found["acknowledged"], first)
    yield against_goal(f"freshness p50 at {RATE} records/s", waited[len(waited) // 2], "s", 3.5)
    yield against_goal(f"freshness p99 at {RATE} records/s", waited[int(len(waited) * 0.99)], "s", 7.0)
    yield Figure(
        metric="freshness: CPU of landing", value=round(found["cpu"] / found["seconds"], 2), unit="cores"
    )
    yield against_goal("freshness: memory of the process", found["megabytes"], "MB", GOAL_MEGABYTES)


def _waits(settings: Settings, own: Contract, acknowledged: list[float], first: float) -> list[float]:
    """Return, sorted, how long each row since `first` waited for its commit's acknowledgement."""
    name = TableName(schema=settings.landing.raw_schema, name=own.stream)
    state = load_table(open_catalog(settings), name)
    assert state is not None
    found = state.handle.scan(selected_fields=("meta",)).to_arrow().column("meta").combine_chunks()
    produced = found.field("produced_at").cast(pa.int64()).to_numpy() / 1e6
    landed = found.field("landed_at").cast(pa.int64()).to_numpy() / 1e6
    moments = sorted(acknowledged)
    places = np.searchsorted(moments, landed)
    return sorted((np.array(moments)[places] - produced)[produced >= first].tolist())


def many(project: Project, settings: Settings, per_stream: int) -> Iterator[Figure]:
    """Follow many streams in one process."""
    names = [f"bench_many_{number}" for number in range(STREAMS)]
    for name in names:
        create_topic(settings.broker, name, partitions=1)
    producer = Producer({"bootstrap.servers": settings.broker.bootstrap_servers, "linger.ms": 50})
    for number in range(per_stream):
        for name in names:
            producer.produce(f"{settings.broker.topic_prefix}{name}", _json(number))
        producer.poll(0)
    assert producer.flush(120) == 0
    total = per_stream * STREAMS
    found = in_child(project, "follow", streams=names, commit_seconds=60.0, rows=total)
    assert found["rows"] == total
    yield Figure(metric=f"{STREAMS} streams at 60 s: landed", value=found["rows"], unit="rows")
    each = round(1000 * found["cpu"] / found["commits"], 1)
    yield Figure(metric=f"{STREAMS} streams: CPU per commit, start included", value=each, unit="ms")
    yield Figure(metric=f"{STREAMS} streams: Python threads", value=found["threads"], unit="")
    yield against_goal(f"{STREAMS} streams: memory of the process", found["megabytes"], "MB", GOAL_MEGABYTES)


def _at_least(metric: str, found: float, unit: str, goal: float) -> Figure:
    return Figure(metric=metric, value=round(found, 1), unit=unit, against=f"goal ≥ {goal:g} {unit}",
                  ratio=round(found / goal, 2))  # fmt: skip


def main() -> None:
    """Run all parts, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="formats, poison, commits, freshness, many")
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=0.5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakemesh-bench-") as folder:
        project = Project(root=Path(folder).resolve())
        (project.root / "config.yaml").touch()
        try:
            start(project)
            settings = load_settings(project=project)
            migrate(settings.postgres)
            parts: dict[str, Callable[[], Iterator[Figure]]] = {
                "formats": lambda: formats(project, settings, asked.records),
                "poison": lambda: poison(project, settings, asked.records),
                "commits": lambda: commits(project, settings, asked.commits),
                "freshness": lambda: freshness(project, settings, 60 * asked.minutes),
                "many": lambda: many(project, settings, 100),
            }
            figures = [figure for name in asked.parts or parts for figure in parts[name]()]
        finally:
            stop(project)
    write("ingest", figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))))
    else:
        main()

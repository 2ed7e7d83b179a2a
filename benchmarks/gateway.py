"""The gateway's records per CPU-second of its process, in requests of 100 records.

Against the floor of the same run: a bare Starlette application that cuts the array into its items and waits
for the same broker's acknowledgement, with no API key, limit, contract, topic key or counter.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import msgspec
import psutil
import uvicorn
from confluent_kafka import Producer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.results import Figure, write
from benchmarks.sandbox import ROOT, temporary_stack
from ingest.gateway.serve import serve
from ingest.gateway.service import new_key
from lake.broker import create_topic, full_name
from lake.contracts import load_contracts
from lake.settings import Project, Settings, load_settings
from lake.stack.ports import find_free

STREAM = "transactions"
BATCH = 100
REQUESTS = 1_500
WARM_UP = 100
SENDERS = 4
GOAL = 10_000


def main() -> None:
    """Send the same requests to the floor and to the gateway, without and with idempotency keys."""
    with temporary_stack() as (project, settings):
        contracts = load_contracts(ROOT / "ingest" / "contracts")
        create_topic(settings.broker, STREAM, partitions=3)
        _, made = new_key(settings, contracts, name="bench", streams=["*"], records_per_second=10_000_000)
        floor = _measure(project, "floor", made.token, keys=False)
        plain = _measure(project, "gateway", made.token, keys=False)
        keyed = _measure(project, "gateway", made.token, keys=True)
    write(
        "gateway",
        [
            _figure("gateway: records per CPU second", plain, GOAL, f"goal ≥ {GOAL:,}"),
            _figure("gateway: of the floor", plain, floor, "floor of the run"),
            _figure("gateway: with an Idempotency-Key a request", keyed, floor, "floor of the run"),
            Figure(metric="floor: records per CPU second", value=round(floor), unit="rec/s"),
        ],
    )


def _figure(metric: str, value: float, reference: float, against: str) -> Figure:
    return Figure(
        metric=metric,
        value=round(value),
        unit="rec/s",
        against=against,
        ratio=round(value / reference, 2),
    )


def _measure(project: Project, part: str, token: str, *, keys: bool) -> float:
    """Return how many records the server took per second of its own CPU time."""
    with _server(project, part) as (process, url), ThreadPoolExecutor(SENDERS) as pool:
        numbers = count()
        send = partial(_send, f"{url}/v1/streams/{STREAM}", token, keys, numbers)
        list(pool.map(send, [WARM_UP // SENDERS] * SENDERS))
        before = process.cpu_times()
        list(pool.map(send, [REQUESTS // SENDERS] * SENDERS))
        after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return REQUESTS // SENDERS * SENDERS * BATCH / used


def _send(url: str, token: str, keys: bool, numbers: Iterator[int], requests: int) -> None:  # noqa: FBT001
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    # The floor says that it is ready a moment before it listens.
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(headers=headers, timeout=60, transport=transport) as client:
        for _ in range(requests):
            number = next(numbers)
            extra = {"idempotency-key": f"{time.monotonic_ns()}-{number}"} if keys else {}
            answer = client.post(url, content=_body(number), headers=extra)
            if answer.status_code != 202:
                raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")


def _body(number: int) -> bytes:
    records = [
        {
            "household_id": 1 + n % 2500,
            "store_id": 1 + n % 500,
            "basket_id": 40_000_000_000 + n,
            "product_id": 1 + n,
            "quantity": 1 + n % 3,
            "sales_value": n % 10_000 / 100,
            "retail_disc": 0.5,
            "coupon_disc": 0,
            "coupon_match_disc": 0,
            "week": 1 + n % 53,
            "transaction_timestamp": "2025-03-04T05:06:07Z",
        }
        for n in range(number * BATCH, (number + 1) * BATCH)
    ]
    return json.dumps(records, separators=(",", ":")).encode()


@contextmanager
def _server(project: Project, part: str) -> Iterator[tuple[psutil.Process, str]]:
    port = find_free(1)[0]
    argv = [sys.executable, "-m", "benchmarks.gateway", part, str(project.root), str(port)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def child(part: str, root: Path, port: int) -> None:
    """Serve until SIGTERM; one line on stdout says that it listens."""
    settings = load_settings(project=Project(root=root))
    if part == "gateway":
        contracts = load_contracts(ROOT / "ingest" / "contracts")
        serve(settings, contracts, port=port, on_listening=lambda url: print(url, flush=True))
    else:
        _serve_floor(settings, port)


def _serve_floor(settings: Settings, port: int) -> None:
    producer = Producer(
        {
            "bootstrap.servers": settings.broker.bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
        }
    )
    topic = full_name(settings.broker, STREAM)

    def poll() -> None:
        while True:
            producer.poll(0.1)

    threading.Thread(target=poll, daemon=True).start()

    async def take(request: Request) -> Response:
        records = msgspec.json.decode(await request.body(), type=list[msgspec.Raw])
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        left = len(records)

        def acknowledged(error: object, _message: object) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                raise RuntimeError(str(error))
            if not left:
                loop.call_soon_threadsafe(done.set_result, None)

        for record in records:
            producer.produce(topic, bytes(record), on_delivery=acknowledged)
        await done
        return JSONResponse({"accepted": len(records)}, 202)

    app = Starlette(routes=[Route(f"/v1/streams/{STREAM}", take, methods=["POST"])])
    print("ready", flush=True)
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()

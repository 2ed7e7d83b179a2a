"""The gateway as a process, ended in mid-traffic: what was answered with 202 is in the topic."""

from __future__ import annotations

import random
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock

import duckdb
import httpx
import pyarrow as pa
import pytest
from sqlglot import exp, parse_one
from sqlmesh.core.macros import MacroEvaluator
from starlette.testclient import TestClient

from ingest.gateway.app import build_app
from ingest.gateway.service import new_key
from ingest.landing import run_streams
from lake.postgres import connect
from lake.stack.ports import find_free
from tests.fakes.commands import LAKE
from tests.fakes.gateway_world import PATH, basket_line, read_topic
from tests.fakes.project_macros import load
from tests.fakes.soak import report
from tests.fakes.topic_world import TopicWorld, transactions

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

SEED = 20_261_125
CLIENTS = 4
BATCH = 20
LATEST_END = 25  # requests answered before the process is ended, at most


@dataclass(slots=True)
class Traffic:
    """Senders that repeat each request under its key until it is answered."""

    url: str
    token: str
    answered: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)
    stop: Event = field(default_factory=Event)

    def send(self, client: httpx.Client, batch: int) -> bool:
        """Send one batch; True when it was answered with 202."""
        with self.lock:
            self.sent.add(batch)
        try:
            answer = client.post(
                self.url + PATH,
                json=[basket_line(batch * BATCH + n) for n in range(BATCH)],
                headers={"authorization": f"Bearer {self.token}", "idempotency-key": str(batch)},
            )
        except httpx.TransportError:
            return False
        assert answer.status_code in {202, 409, 503}, answer.text
        if answer.status_code != 202:
            return False
        with self.lock:
            self.answered.add(batch)
        return True

    def pour(self, first: int) -> None:
        """Send new batches, one after the other, until told to stop or nobody listens any more."""
        with httpx.Client(timeout=30) as client:
            batch = first
            while not self.stop.is_set() and self.send(client, batch):
                batch += CLIENTS


@dataclass(slots=True)
class Process:
    """`lake gateway run --foreground` on a port of its own."""

    settings: object
    environment: dict[str, str]
    port: int

    def start(self) -> subprocess.Popen[str]:
        command = [LAKE, "gateway", "run", "--foreground"]
        process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            cwd=self.settings.project_root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{self.port}" in line, process.communicate()
        return process


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_survives_the_end_of_the_process(ending, lake_settings, lake_environment):
    """Ended somewhere in its traffic, another one takes over: nothing is lost, and repeats can be told."""
    end_and_take_over(ending, SEED, lake_settings, lake_environment)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_it_survives_many_more_ends(seed, lake_settings, lake_environment):
    """Kill -9 at twenty other moments."""
    end_and_take_over(signal.SIGKILL, seed, lake_settings, lake_environment)


def end_and_take_over(ending, seed, lake_settings, lake_environment):
    print("seed", seed)  # noqa: T201
    draw = random.Random(f"{seed}/{ending}")
    _, made = new_key(lake_settings, [transactions()], name="t", streams=["*"], records_per_second=1_000_000)
    port = find_free(1)[0]
    process = Process(lake_settings, lake_environment, port)
    traffic = Traffic(url=f"http://127.0.0.1:{port}", token=made.token)

    running = process.start()
    enough = draw.randint(5, LATEST_END)
    with ThreadPoolExecutor(CLIENTS) as pool:
        senders = [pool.submit(traffic.pour, first) for first in range(CLIENTS)]
        while len(traffic.answered) < enough and any(not s.done() for s in senders):
            traffic.stop.wait(0.01)
        running.send_signal(ending)
        for sender in senders:
            sender.result(timeout=60)
    running.communicate(timeout=60)
    assert running.returncode == (0 if ending is signal.SIGTERM else -signal.SIGKILL)
    held = [value or b"" for _, value, _ in read_topic(lake_settings)]
    answered = set(traffic.answered)
    assert len(answered) >= enough
    print("answered", len(answered), "of", len(traffic.sent), "at the end")  # noqa: T201

    # What was answered is there, before anybody repeats anything.
    for batch in answered:
        for n in range(BATCH):
            assert any(str(basket_line(batch * BATCH + n)["basket_id"]).encode() in m for m in held)

    with connect(lake_settings.postgres) as connection:  # the leases of the dead end
        connection.execute("UPDATE control.idempotency_keys SET claimed_at = claimed_at - interval '1 hour'")
    with TestClient(build_app(lake_settings, [transactions()])) as client:  # another gateway takes over
        assert all(traffic.send(client, batch) for batch in sorted(traffic.sent))

    run_streams(lake_settings, [transactions()])
    rows = [{"basket_id": row["basket_id"], "meta": row["meta"]} for row in TopicWorld(lake_settings).raw()]
    expected = sorted(basket_line(b * BATCH + n)["basket_id"] for b in traffic.sent for n in range(BATCH))
    print("landed", len(rows), "of", len(expected), "sent")  # noqa: T201
    assert len(rows) >= len(expected)
    assert staged(rows) == expected
    report(
        f"gateway ended by {ending.name}",
        seed,
        ends=1,
        requests=len(traffic.sent),
        answered_before=len(answered),
        records=len(expected),
        repeats_told_apart=len(rows) - len(expected),
    )


def staged(rows: list[dict[str, object]]) -> list[int]:
    """Return the baskets that a staging model keeps of these landed rows."""
    condition = load("repeats").first_of_repeats(MacroEvaluator("duckdb"), parse_one("landed.meta"))
    query = exp.select("landed.basket_id").from_("landed")
    query.set("qualify", exp.Qualify(this=condition))
    with duckdb.connect() as connection:
        connection.register("landed", pa.Table.from_pylist(rows))
        return sorted(row[0] for row in connection.execute(query.sql("duckdb")).fetchall())

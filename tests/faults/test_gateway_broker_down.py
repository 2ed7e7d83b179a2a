"""A broker that goes away under the gateway, played by the Kafka client's own mock cluster."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError

from ingest.gateway.outlet import Outlet
from lake.broker import Outgoing, TopicProducer
from lake.errors import UnavailableError
from lake.settings import BrokerSettings
from tests.fakes.gateway_world import basket_line, running_gateway

ROOM = {"records": 100, "size": 1_000_000, "seconds": 2.0, "largest": 1_000}


PROGRAM = """
import time
from confluent_kafka import Producer
owner = Producer({"test.mock.num.brokers": 1, "log_level": 0})
(broker,) = owner.list_topics(timeout=10).brokers.values()
print(f"{broker.host}:{broker.port}", flush=True)
time.sleep(600)
"""


class Cluster:
    """One mock broker in a process of its own: it can fall silent, come back, and die."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.settings = BrokerSettings(bootstrap_servers=self._process.stdout.readline().strip())

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.kill()


@contextmanager
def producing(settings: BrokerSettings, **room: object) -> Iterator[TopicProducer]:
    producer = TopicProducer(settings, **{**ROOM, **room})
    try:
        yield producer
    finally:
        producer.close(0.1)


def wait_until(condition) -> None:
    """Poll for something that another thread does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_batch_is_delivered_when_every_record_is(cluster):
    """The future tells how many are acknowledged; the queue is empty afterwards."""
    with producing(cluster.settings) as producer:
        delivered = producer.send("t", [Outgoing(value=b"a"), Outgoing(value=b"b", key=b"k")]).result(60)

        assert (delivered.acknowledged, delivered.unknown) == (2, ())
        assert producer.pending == 0
        assert producer.is_up


def test_records_that_nobody_acknowledges_in_time_are_unknown(cluster):
    """A silent broker: the outcome is not "failed", and the queue is free again."""
    with producing(cluster.settings) as producer:
        producer.send("t", [Outgoing(value=b"a")]).result(60)
        cluster.pause()

        delivered = producer.send("t", [Outgoing(value=b"b"), Outgoing(value=b"c")]).result(60)

        assert (delivered.acknowledged, delivered.unknown) == (0, (0, 1))
        assert delivered.reason
        assert producer.pending == 0
        cluster.resume()
        wait_until(lambda: producer.is_up)
        assert producer.send("t", [Outgoing(value=b"d")]).result(60).acknowledged == 1


def test_what_comes_after_the_broker_died_is_turned_away(cluster):
    """Nobody waits for an acknowledgement that can't come."""
    with producing(cluster.settings) as producer:
        producer.send("t", [Outgoing(value=b"a")]).result(60)
        cluster.kill()
        wait_until(lambda: not producer.is_up)

        with pytest.raises(UnavailableError):
            producer.send("t", [Outgoing(value=b"d")])


def test_a_batch_without_room_is_not_queued_in_part(cluster):
    """Records and bytes are bounded; what waits is not disturbed."""
    with producing(cluster.settings, records=3, size=10) as producer:
        with pytest.raises(UnavailableError):
            producer.send("t", [Outgoing(value=b"x")] * 4)
        with pytest.raises(UnavailableError):
            producer.send("t", [Outgoing(value=b"x" * 11)])

        assert producer.send("t", [Outgoing(value=b"x")] * 3).result(60).acknowledged == 3


def test_silence_of_idle_connections_is_no_outage(cluster):
    """The client says that all brokers are down; the broker answers the question, and all goes on."""
    with producing(cluster.settings) as producer:
        producer._on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))

        wait_until(lambda: producer.is_up)
        assert producer.send("t", [Outgoing(value=b"a")]).result(60).acknowledged == 1


def test_a_producer_that_broke_for_good_is_replaced(cluster):
    """After an error that the client calls fatal the next batch goes out through a new one."""
    with producing(cluster.settings) as producer:
        before = producer._producer
        producer._on_error(KafkaError(KafkaError._FATAL, "out of order", fatal=True))

        assert producer.send("t", [Outgoing(value=b"a")]).result(60).acknowledged == 1
        assert producer._producer is not before


@pytest.mark.stack
def test_a_gateway_whose_broker_falls_silent_says_so_and_keeps_no_outcome(
    lake_settings, cluster, monkeypatch
):
    """503, when to come back and what is unknown; not ready; the key is free for the next try."""
    monkeypatch.setattr(Outlet, "prepare", lambda *_: None)  # a mock cluster can't be asked for topics
    settings = lake_settings.model_copy(
        update={
            "broker": cluster.settings,
            "gateway": lake_settings.gateway.model_copy(update={"ack_seconds": 2.0}),
        }
    )
    with running_gateway(settings) as gateway:
        assert gateway.post(basket_line(1)).status_code == 202
        cluster.pause()
        lost = gateway.post([basket_line(2), basket_line(3)], headers={"idempotency-key": "k"})
        cluster.resume()
        wait_until(lambda: gateway.client.get("/health/ready").status_code == 200)
        again = gateway.post([basket_line(2), basket_line(3)], headers={"idempotency-key": "k"})
        cluster.kill()
        wait_until(lambda: gateway.client.get("/health/ready").status_code == 503)
        turned_away = gateway.post(basket_line(4))

        assert (lost.status_code, lost.json()["unknown_indexes"]) == (503, [0, 1])
        assert int(lost.headers["retry-after"]) >= 1
        assert again.status_code == 202
        assert "idempotency-replayed" not in again.headers
        assert turned_away.status_code == 503
        assert "unknown_indexes" not in turned_away.json()
        assert gateway.client.get("/health/live").status_code == 200
        assert gateway.client.get("/health/ready").json()["broker"] is False

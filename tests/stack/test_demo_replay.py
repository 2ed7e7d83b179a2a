"""The replayer on a real broker: every event once, whatever is killed, and nobody else's records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from demo.calendar import Calendar
from demo.errors import ForeignLogError
from demo.live import LiveStream, follow
from demo.replay import replay
from demo.sequence import Sequence
from demo.state import read_calendar
from demo.streams import COUPON_REDEMPTIONS, TRANSACTIONS
from demo.topic import Topic
from tests.fakes.replay_beginning import CALENDAR, ROWS, beginning

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.stack

FOREVER = 10**11


class HandClock:
    """A clock that moves when somebody waits for it."""

    def __init__(self, now):
        self.time = now
        self.slept = []

    def now(self):
        return self.time

    def monotonic(self):
        return self.time.timestamp()

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


class RealWait(HandClock):
    """Its waiting is real, its time of day is moved by hand."""

    def sleep(self, seconds):
        super().sleep(seconds)
        time.sleep(min(seconds, 0.5))


@pytest.fixture
def broker(lake_settings):
    return {"bootstrap.servers": lake_settings.broker.bootstrap_servers}


@pytest.fixture
def demo(lake_settings, tmp_path):
    """Start `python -m demo <command>` on this test's topics."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAKE_")}
    common = [
        *("--bootstrap", lake_settings.broker.bootstrap_servers),
        *("--topic-prefix", lake_settings.broker.topic_prefix),
        *("--state", str(tmp_path / "demo.json")),
        "--json",
    ]

    def start(command, *arguments):
        argv = [sys.executable, "-m", "demo", command, *common, *arguments]
        return subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    started = []

    def run(*arguments):
        started.append(start(*arguments))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def consume(broker, topic, partitions):
    """Read a topic from its beginning to the end that fetch responses tell."""
    consumer = Consumer(
        {**broker, "group.id": "test", "enable.partition.eof": True, "auto.offset.reset": "error"}
    )
    logs, open_ends = [[] for _ in range(partitions)], set(range(partitions))
    consumer.assign([TopicPartition(topic, number, 0) for number in open_ends])
    deadline = time.monotonic() + 60
    while open_ends:
        assert time.monotonic() < deadline, f"still open: {open_ends}"
        for message in consumer.consume(20_000, 0.2):
            if message.error():
                open_ends.discard(message.partition())
            else:
                log = logs[message.partition()]
                assert message.offset() == len(log)
                log.append((message.key(), message.value() or b"", message.timestamp()[1]))
    consumer.close()
    return logs


def expected(sequence, now_seconds):
    logs = [[] for _ in sequence.sizes]
    for batch in sequence.batches((0,) * len(logs), now_seconds):
        for at, key, value, number in zip(
            batch.times, batch.keys, batch.values, batch.partitions, strict=True
        ):
            logs[number].append((key, value, at))
    return logs


def has_grown(process, topic, size):
    """Look whether a replay has written something, or has ended."""
    return process.poll() is not None or sum(topic.ends()) > size


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def test_a_replay_killed_at_full_speed_is_continued_where_it_stopped(broker, lake_settings):
    """Killed, then run again: exactly the sequence, each record once; a third run produces nothing."""
    prefix = lake_settings.broker.topic_prefix
    topic = Topic(broker, f"{prefix}transactions", partitions=4)
    argv = [sys.executable, str(ROOT / "tests/fakes/replay_beginning.py"), *broker.values(), topic.name]
    topic.ensure()
    process = subprocess.Popen(argv, cwd=ROOT)
    wait_for(lambda: process.poll() is not None or sum(topic.ends()) > 10_000)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    report = json.loads(subprocess.check_output(argv, cwd=ROOT))
    sequence = Sequence(TRANSACTIONS, CALENDAR, rows=beginning())
    again = replay(sequence, topic, CALENDAR, clock=HandClock(CALENDAR.now))

    assert consume(broker, topic.name, 4) == expected(sequence, CALENDAR.now_seconds)
    assert 10_000 < report["already"] < report["produced_total"] == ROWS + len(sequence.planted())
    assert report["already"] + report["produced"] == report["produced_total"]
    assert (again.produced, again.already) == (0, report["produced_total"])


def test_many_kills_leave_every_redemption_once(demo, broker, lake_settings, tmp_path):
    """Two runs killed at different places, then one to the end: the books balance."""
    topic = Topic(broker, f"{lake_settings.broker.topic_prefix}coupon_redemptions", partitions=2)
    topic.ensure()
    reached = 0
    for _ in range(2):
        process = demo("replay", "--stream", "coupon_redemptions", "--rate", "1500")
        wait_for(partial(has_grown, process, topic, reached))
        process.kill()
        process.wait()
        reached = sum(topic.ends())
    report = finish(demo("replay", "--stream", "coupon_redemptions"))["streams"][0]
    calendar = read_calendar(tmp_path / "demo.json")

    assert consume(broker, topic.name, 2) == expected(
        Sequence(COUPON_REDEMPTIONS, calendar), calendar.now_seconds
    )
    assert report["already"] >= reached > 0
    assert report["source"] + report["planted"] == report["produced_total"] + report["not_yet_due"]


def test_ctrl_c_ends_a_replay_that_can_go_on(demo, broker, lake_settings):
    """Exit code 130 and a message; the next run completes."""
    topic = Topic(broker, f"{lake_settings.broker.topic_prefix}coupon_redemptions", partitions=2)
    topic.ensure()
    process = demo("replay", "--stream", "coupon_redemptions", "--rate", "200")
    wait_for(partial(has_grown, process, topic, 0))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "goes on where this one stopped" in err
    report = finish(demo("replay", "--stream", "coupon_redemptions"))["streams"][0]
    assert 0 < report["already"] < report["produced_total"]


@pytest.fixture
def redemptions(lake_settings, broker):
    """Give a topic with what was due two days before the end, its sequence and its calendar."""
    calendar = Calendar.at(datetime(2026, 11, 27, 12, tzinfo=UTC))
    sequence = Sequence(COUPON_REDEMPTIONS, calendar)
    topic = Topic(broker, f"{lake_settings.broker.topic_prefix}coupon_redemptions", partitions=2)
    report = replay(sequence, topic, calendar, clock=RealWait(calendar.now))
    assert 0 < report.not_yet_due == sequence.size - report.produced
    return sequence, topic, calendar


@pytest.mark.parametrize("value", [b'{"household_id":1}', b""], ids=["another record", "an empty one"])
def test_a_foreign_record_is_detected(redemptions, broker, value):
    """A record at the end that is not ours stops the run before it writes."""
    sequence, topic, calendar = redemptions
    producer = Producer(broker)
    producer.produce(topic.name, value, b"1", 0)
    assert producer.flush(10) == 0
    before = topic.ends()

    with pytest.raises(ForeignLogError, match="not this source's"):
        replay(sequence, topic, Calendar(now=calendar.now + timedelta(days=9), weeks=calendar.weeks),
               clock=RealWait(calendar.now))  # fmt: skip
    assert topic.ends() == before


def test_more_records_than_the_source_has_are_detected(redemptions, broker):
    """A topic that is longer than its sequence was written by somebody else."""
    sequence, topic, calendar = redemptions
    producer = Producer(broker)
    for _ in range(20):
        producer.produce(topic.name, b"{}", b"1", 1)
    assert producer.flush(10) == 0

    with pytest.raises(ForeignLogError, match=r"holds \d+ records, the source has"):
        replay(sequence, topic, calendar, clock=RealWait(calendar.now))


def test_a_topic_of_another_shape_is_refused(lake_settings, broker):
    """Three partitions are not two: keys would go elsewhere."""
    name = f"{lake_settings.broker.topic_prefix}coupon_redemptions"
    admin = AdminClient(broker)
    admin.create_topics([NewTopic(name, 3, 1)])[name].result()

    with pytest.raises(ForeignLogError, match="3 partitions in place of 2"):
        Topic(broker, name, partitions=2).ensure()


def test_a_broker_that_is_down_is_named(demo):
    """Exit code 4, the address and the command to run."""
    process = demo("replay", "--stream", "coupon_redemptions", "--bootstrap", "127.0.0.1:1")
    _, err = process.communicate(timeout=60)

    assert process.returncode == 4
    assert "127.0.0.1:1" in err
    assert "next: lake status" in err


def test_live_produces_each_later_event_when_it_is_due_and_once(redemptions, broker):
    """On a clock that is moved by waiting: nothing early, everything in the end, nothing on a second run."""
    sequence, topic, calendar = redemptions
    clock, said = RealWait(calendar.now), []
    live = LiveStream(sequence, topic, clock=clock)
    first_due = sequence.next_due(calendar.now_seconds)
    clock.sleep = lambda seconds: HandClock.sleep(clock, max(seconds, 0.001))

    assert live.catch_up(first_due - 1) == 0
    assert follow([live], clock=clock, say=said.append, until=calendar.now + timedelta(hours=1)) is False
    assert sum(topic.ends()) == sum(sequence.due(calendar.now_seconds))
    assert follow([live], clock=clock, say=said.append) is True
    assert max(clock.slept) <= 60
    assert consume(broker, topic.name, 2) == expected(sequence, FOREVER)
    assert live.report().not_yet_due == 0

    again = LiveStream(sequence, topic, clock=clock)
    assert follow([again], clock=clock, say=said.append) is True
    assert again.report().produced == 0


def test_live_ends_with_a_message_when_none_is_left(demo, tmp_path):
    """A demo as of a day long past: all that was to come is due at once, and then the year is complete."""
    finish(demo("replay", "--stream", "coupon_redemptions", "--as-of", "2026-06-01"))
    process = demo("live", "--stream", "coupon_redemptions")
    out, err = process.communicate(timeout=60)
    report = json.loads(out)

    assert process.returncode == 0, err
    assert "the year is complete" in err
    assert report["left"] == 0
    assert report["streams"][0]["produced"] > 0
    after = finish(demo("replay", "--stream", "coupon_redemptions"))["streams"][0]
    assert (after["produced"], after["not_yet_due"]) == (0, 0)

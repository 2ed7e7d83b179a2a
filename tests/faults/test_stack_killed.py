"""Children and commands that are killed: said, replaced, cleaned up; nothing that was written is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import polars as pl
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from lake.broker import create_topic
from lake.catalog import open_catalog
from lake.control import read_acts
from lake.errors import UnavailableError
from lake.postgres import connect
from lake.settings import load_settings
from lake.stack import EventKind, ServiceState, inspect, start, stop
from lake.stack.model import MARK_PROJECT
from lake.stack.state import read_state

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack_killed")]

CORE = ("seaweed", "postgres", "tansu")
START = "from lake.settings import find_project; from lake.stack import start; start(find_project())"
COMMAND = Path(__file__).parents[1] / "fakes" / "services_command.py"


@pytest.fixture
def project(own_project):
    """Give a project whose stack is up when the test begins, whatever the one before did."""
    start(own_project)
    return own_project


def lake(project, *words):
    return python(project, str(COMMAND), *words)


def python(project, *words):
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def children(project):
    """Every live process that carries the project's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK_PROJECT) == str(project.root)
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill(project, *names):
    """Kill -9 and wait until the system has taken them away."""
    recorded = read_state(project).children
    for name in names:
        os.kill(recorded[name].pid, signal.SIGKILL)
    until(lambda: all(s.state is not ServiceState.READY for s in inspect(project) if s.service in names))


def until(fact, seconds=20.0):
    ends = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)


def states(project):
    return {s.service: s.state for s in inspect(project)}


@pytest.mark.parametrize("victims", [("seaweed",), ("postgres",), ("tansu",), CORE])
def test_a_killed_child_is_reported_and_replaced(project, victims):
    """`status` says dead, `up` replaces exactly those and leaves the others alone."""
    before = {name: child.pid for name, child in read_state(project).children.items()}
    kill(project, *victims)

    dead = {name for name, state in states(project).items() if state is ServiceState.DEAD}
    assert dead == set(victims)
    events = []
    report = start(project, on_event=events.append)

    assert set(report.started) == set(victims)
    assert {e.service for e in events if e.kind is EventKind.REPLACED} == set(victims)
    after = {name: child.pid for name, child in read_state(project).children.items()}
    assert {name for name in CORE if before[name] != after[name]} == set(victims)
    assert set(states(project).values()) == {ServiceState.READY}


def test_what_was_acknowledged_survives_kill_9_of_everything(project):
    """A committed row, an Iceberg commit and produced records are there after all three were killed."""
    settings = load_settings(project=project, environment={})
    topic = f"survivors{time.time_ns()}"
    create_topic(settings.broker, topic, partitions=1)
    produce(settings, topic, 500)
    rows = pl.DataFrame({"n": list(range(1000))}).to_arrow()
    catalog = open_catalog(settings)
    catalog.create_namespace(topic)
    catalog.create_table((topic, "survivors"), schema=rows.schema).append(rows)
    with connect(settings.postgres) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS survivor (n int)")
        connection.execute("INSERT INTO survivor VALUES (1)")

    kill(project, *CORE)
    start(project)

    with connect(settings.postgres) as connection:
        assert connection.execute("SELECT count(*) AS n FROM survivor").fetchone() == {"n": 1}
        connection.execute("DROP TABLE survivor")
    assert values_of(settings, topic) == [str(i).encode() for i in range(500)]
    table = open_catalog(settings).load_table((topic, "survivors"))
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == list(range(1000))


def test_a_command_killed_half_way_is_finished_by_the_next(project):
    """Killed -9 after its first child: the next start takes that one over and completes."""
    stop(project)
    command = python(project, "-c", START)
    until(lambda: "seaweed" in (read_state(project).children if read_state(project) else {}))
    command.kill()
    command.communicate()
    left = {process.pid for process in children(project)}
    assert left

    start(project)

    assert set(states(project).values()) == {ServiceState.READY}
    assert read_state(project).children["seaweed"].pid in left
    recorded = {child.pid for child in read_state(project).children.values()}
    assert {p.pid for p in children(project) if p.ppid() not in recorded} <= recorded


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_start_killed_at_any_moment_leaves_nothing_that_down_misses(project, rounds):
    """Killed -9 again and again while starting: `stop` ends every process, and the next `start` works."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure
    moments = random.Random(seed)
    for _ in range(rounds):
        stop(project)
        command = python(project, "-c", START)
        until(lambda: children(project))
        time.sleep(moments.uniform(0, 1.5))  # the moment of the kill is what varies
        command.kill()
        command.communicate()

        stop(project)
        assert children(project) == []

    start(project)
    assert set(states(project).values()) == {ServiceState.READY}


def test_children_that_nobody_recorded_are_found_and_ended(project):
    """Without their record (killed before it was written) `status` shows orphans, `up` replaces them."""
    forget(project, "tansu")

    assert ServiceState.ORPHAN in {s.state for s in inspect(project) if s.service == "tansu"}
    events = []
    start(project, on_event=events.append)

    assert ("tansu", EventKind.ORPHAN_ENDED) in {(e.service, e.kind) for e in events}
    assert set(states(project).values()) == {ServiceState.READY}


def test_down_ends_even_what_a_removed_folder_knew(project):
    """Somebody removed `.lake/` while it ran: `down` still finds every process."""
    running = children(project)
    assert len(running) >= 3
    shutil.rmtree(project.state)

    stop(project)

    assert children(project) == []


def test_ctrl_c_during_up_leaves_nothing(project):
    """SIGINT and SIGTERM undo what this command started, and its exit code says so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        stop(project)
        command = lake(project, "up")
        until(lambda: children(project))
        command.send_signal(number)
        output, _ = command.communicate(timeout=60)

        assert command.returncode == 130, output
        assert children(project) == []
        assert set(states(project).values()) == {ServiceState.STOPPED}


def test_ctrl_c_spares_what_ran_before(project):
    """Only the children of the interrupted command end."""
    kill(project, "seaweed")
    before = {name: child.pid for name, child in read_state(project).children.items()}
    command = lake(project, "up")
    until(lambda: read_state(project).children["seaweed"].pid != before["seaweed"])
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=60)

    after = {name: child.pid for name, child in read_state(project).children.items()}
    assert {k: after.get(k) for k in ("postgres", "tansu")} == {k: before[k] for k in ("postgres", "tansu")}
    assert psutil.pid_exists(before["postgres"])


def test_two_ups_at_once_start_one_stack_and_the_audit_log_knows_all(project):
    """The lock makes the second wait and find everything ready; `down` is logged before PostgreSQL stops."""
    assert run(lake(project, "down", "--reason", "night"))[0] == 0
    assert children(project) == []
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: run(lake(project, "up")), range(2)))

    assert [code for code, _ in results] == [0, 0], results
    assert sum("already up" in output for _, output in results) == 1
    assert len(read_state(project).children) == 3
    assert set(states(project).values()) == {ServiceState.READY}
    acts = read_acts(load_settings(project=project, environment={}).postgres)
    assert sorted((a.act, a.result.value) for a in acts[:4]) == [
        ("up", "started"),
        ("up", "started"),
        ("up", "succeeded"),
        ("up", "succeeded"),
    ]
    assert [(a.act, a.result.value, a.reason) for a in acts[4:6]] == [
        ("down", "succeeded", "night"),
        ("down", "started", "night"),
    ]


def test_down_works_without_the_audit_log(project):
    """A dead PostgreSQL keeps nobody from stopping the rest."""
    kill(project, "postgres")

    code, output = run(lake(project, "down"))

    assert code == 0
    assert "not in the audit log" in output
    assert children(project) == []


def test_services_that_are_down_are_named(project):
    """Who asks a stopped stack learns which service is missing and what to run."""
    settings = load_settings(project=project, environment={})
    stop(project)

    code, output = run(lake(project, "status"))
    assert code == 4
    assert "lake up" in output
    with pytest.raises(UnavailableError, match="postgres"), connect(settings.postgres):
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(settings.storage.endpoint, trust_env=False)


def run(command):
    output, _ = command.communicate(timeout=120)
    return command.returncode, output


def forget(project, name):
    """Take one child out of the record, as if the command had died before it wrote it."""
    path = project.state / "stack.json"
    document = json.loads(path.read_text())
    del document["children"][name]
    path.write_text(json.dumps(document))


def produce(settings, topic, count):
    """Produce `count` numbered records; each is acknowledged."""
    refused = []
    producer = Producer({"bootstrap.servers": settings.broker.bootstrap_servers, "acks": "all"})
    for number in range(count):
        producer.produce(topic, str(number), partition=0, on_delivery=lambda e, _: e and refused.append(e))
    assert producer.flush(30) == 0
    assert refused == []


def values_of(settings, topic):
    """Read the topic's only partition from its start to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.broker.bootstrap_servers,
            "group.id": topic,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found, ends = [], time.monotonic() + 30
    while time.monotonic() < ends:
        for message in consumer.consume(1000, 0.2):
            if message.error() is not None:
                consumer.close()
                return found
            found.append(message.value())
    pytest.fail(f"no end of {topic} after {len(found)} records")

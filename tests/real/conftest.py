"""Real peers, one of each per session: servers from Maven and Go as plain processes, no Docker.

`make test-real` installs them first. A peer that is missing fails the tests that need it; nothing here
is ever skipped. The fixtures of `tests/conftest.py` mean the stack with Trino here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lake.settings import Project, Settings, load_settings
from lake.stack import start
from tests.conftest import temporary_project
from tests.fakes.topic_world import TopicWorld
from tests.real.peers import Kafka, make_kafka, use


@pytest.fixture(scope="session")
def stack_project() -> Iterator[Project]:
    """Run a stack with Trino in a project of its own."""
    with temporary_project() as project:
        start(project, extras=["trino"])
        yield project


@pytest.fixture(scope="session")
def trino_project(stack_project: Project) -> Project:
    """Give the project of that stack by the name that says what is special about it."""
    return stack_project


@pytest.fixture(scope="session")
def trino_lake(stack: Settings) -> Settings:
    """Give the settings of the stack with Trino."""
    return stack


@pytest.fixture(scope="session")
def apache_project() -> Iterator[Project]:
    """Run MinIO and Apache's REST catalog beside a stack of their own."""
    with temporary_project() as project:
        start(project)
        use(project, "minio")
        yield project


@pytest.fixture(scope="session")
def apache(apache_project: Project) -> Settings:
    """Give the settings of MinIO and Apache's catalog."""
    return load_settings(project=apache_project)


@dataclass(slots=True)
class RunningKafka:
    """Apache Kafka while it runs."""

    made: Kafka
    process: subprocess.Popen[bytes]

    def restart(self) -> None:
        """Kill it with -9 and start it again on what it left."""
        self.process.kill()
        self.process.wait()
        self.process = self.made.run()


@pytest.fixture(scope="session")
def kafka(stack_project: Project) -> RunningKafka:
    """Run Kafka beside the stack."""
    made = make_kafka(stack_project)
    return RunningKafka(made, made.run())


@pytest.fixture
def kafka_world(kafka: RunningKafka, lake_settings: Settings) -> TopicWorld:
    """Give a topic on Kafka, whose stream lands in tables of this test alone."""
    broker = kafka.made.plain.model_copy(update={"topic_prefix": lake_settings.broker.topic_prefix})
    return TopicWorld(settings=lake_settings.model_copy(update={"broker": broker}))

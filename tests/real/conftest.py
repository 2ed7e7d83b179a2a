"""Real peers, one of each per session: servers from Maven and Go as plain processes, no Docker.

`make test-real` installs them first. A peer that is missing fails the tests that need it; nothing here
is ever skipped.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lake.control import migrate
from lake.settings import Project, Settings, load_settings
from lake.stack import start
from tests.conftest import temporary_project
from tests.fakes.topic_world import TopicWorld
from tests.real.peers import Kafka, make_kafka


@pytest.fixture(scope="session")
def trino_project() -> Iterator[Project]:
    """Run a stack with Trino in a project of its own."""
    with temporary_project() as project:
        start(project, extras=["trino"])
        migrate(load_settings(project=project).postgres)
        yield project


@pytest.fixture(scope="session")
def trino_lake(trino_project: Project) -> Settings:
    """Give the settings of the stack with Trino."""
    return load_settings(project=trino_project)


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
def kafka() -> Iterator[RunningKafka]:
    """Run Kafka beside a stack of its own."""
    with temporary_project() as project:
        start(project)
        made = make_kafka(project)
        yield RunningKafka(made, made.run())


@pytest.fixture
def kafka_world(kafka: RunningKafka, lake_settings: Settings) -> TopicWorld:
    """Give a topic on Kafka, whose stream lands in tables of this test alone."""
    broker = kafka.made.plain.model_copy(update={"topic_prefix": lake_settings.broker.topic_prefix})
    return TopicWorld(settings=lake_settings.model_copy(update={"broker": broker}))

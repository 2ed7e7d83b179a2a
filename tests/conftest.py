"""Fixtures for all: an environment without anybody's settings, one stack per worker, a namespace per test."""

from __future__ import annotations

import gc
import inspect
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psutil
import pytest
import structlog

from lake import log
from lake.control import migrate
from lake.postgres import connect
from lake.settings import PostgresSettings, Project, Settings, load_settings
from lake.stack import ports, start, stop
from lake.types import quote_identifier

if TYPE_CHECKING:
    from tests.fakes.mesh import MeshProject  # loads SQLMesh, which few tests need

pytest.register_assert_rewrite("tests.fakes")  # what they find wrong is shown as in a test

ROOT = Path(__file__).parents[1]
DEFINITIONS = (
    "config.yaml",
    "models",
    "macros",
    "audits",
    "signals",
    "linter",
    "ingest",
    "external_models",
    "deploy",
)
PEERS = "LAKEMESH_TEST_PEERS"
FOLDER_PREFIX = "lakemesh-tests-"
TEMPLATE = "lake_template"
FOREIGN = ("LAKE_", "SQLMESH_", "AWS_")

# How long an example takes says nothing on a machine that others use too.
hypothesis.settings.register_profile("lakemesh", deadline=None)
hypothesis.settings.load_profile("lakemesh")

# A tenth of the tests' time went into looking for garbage among modules, tests and SQLMesh's models.
gc.set_threshold(100_000)
_MANY_OPEN = 200  # descriptors of a process; many systems allow 1,024
# SQLMesh forks workers to load models: for projects as small as a test's they cost more than they do.
os.environ.setdefault("MAX_FORK_WORKERS", "1")


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what collecting thousands of tests has made."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Close what tests left open: connections in cycles wait for the collector, a thousand of them else."""
    if psutil.Process().num_fds() > _MANY_OPEN:
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _no_foreign_environment() -> Iterator[None]:
    """Take the developer's own settings and credentials out of the way of every test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(FOREIGN)]:
            patch.delenv(name)
        patch.setenv("SQLMESH__DISABLE_ANONYMIZED_ANALYTICS", "1")
        # SQLMesh reads the source of every caller at each call of its API to find out whether to report it.
        patch.setattr(inspect, "stack", partial(inspect.stack, context=0))
        patch.setenv("LAKE_HISTORY__APPEND_SECONDS", "0")  # tests share the catalog that it is appended to
        yield


@pytest.fixture(scope="session", autouse=True)
def _ports_of_one_worker() -> Iterator[None]:
    """Give each worker ports of its own: a port that a killed service left must not be found by another."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "LOWEST", 12_000 + number * 2_500)
        patch.setattr(ports, "HIGHEST", 12_000 + (number + 1) * 2_500)
        yield


@pytest.fixture(autouse=True)
def _environment_of_one_test() -> Iterator[None]:
    """Undo what a test set directly in `os.environ`, so that no other test sees it."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _logs_of_one_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the level and the shape that a command of the test before chose for this process's events."""
    monkeypatch.setattr(log, "_choice", log._Choice())
    yield
    structlog.reset_defaults()


def make_project(folder: Path) -> Project:
    """Lay out a project: the repository's definitions, a state of its own."""
    for name in DEFINITIONS:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return Project(root=folder.resolve())


def _sweep() -> None:
    """End stacks of test runs that were killed before they could do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            stop(Project(root=folder.resolve()))
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_project() -> Iterator[Project]:
    """Make a project of this test process; whatever was started in it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
    project = make_project(folder)
    try:
        yield project
    finally:
        stop(project)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack_project() -> Iterator[Project]:
    """Run a stack in a temporary project, one per test process, and end its children with the session.

    Tests must leave it running; those that kill or stop services use `own_project`. LAKEMESH_TEST_PEERS
    puts real peers in the place of some of its services: `minio` (with Apache's catalog) or `kafka`.
    """
    _sweep()
    with temporary_project() as project:
        start(project)
        if peers := os.environ.get(PEERS):
            from tests.real.peers import use

            use(project, peers)
        yield project


@pytest.fixture(scope="module")
def own_project() -> Iterator[Project]:
    """Give the tests of a module a project that they may wreck; nothing runs in it yet."""
    with temporary_project() as project:
        yield project


@pytest.fixture(scope="session")
def stack(stack_project: Project) -> Settings:
    """Give the settings of the running stack, its database migrated."""
    settings = load_settings(project=stack_project)
    migrate(settings.postgres)
    return settings


@pytest.fixture(scope="session")
def _template(stack: Settings) -> PostgresSettings:
    """Migrate one database to copy: faster than migrating one for each test."""
    with connect(stack.postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {quote_identifier(TEMPLATE)}".encode())
    template = stack.postgres.model_copy(update={"database": TEMPLATE})
    migrate(template)
    return template


@pytest.fixture
def own_schemas(stack: Settings) -> Settings:
    """Give settings with landing schemas of this test alone; what needs no more needs no database."""
    own = f"t{uuid.uuid4().hex[:10]}"
    schemas = {"raw_schema": f"{own}_raw", "quarantine_schema": f"{own}_quarantine"}
    return stack.model_copy(update={"landing": stack.landing.model_copy(update=schemas)})


@pytest.fixture
def lake_settings(stack: Settings, own_schemas: Settings, _template: PostgresSettings) -> Iterator[Settings]:
    """Give settings with schemas, topics and a migrated database of this test alone."""
    own = f"t{uuid.uuid4().hex[:10]}"
    database = quote_identifier(own)
    with connect(stack.postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database} TEMPLATE {quote_identifier(TEMPLATE)}".encode())
    yield own_schemas.model_copy(
        update={
            "postgres": stack.postgres.model_copy(update={"database": own}),
            "broker": stack.broker.model_copy(update={"topic_prefix": f"{own}."}),
        }
    )
    with connect(stack.postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())


@pytest.fixture
def lake_environment(lake_settings: Settings) -> dict[str, str]:
    """Give a child process the environment to see `lake_settings`; run it in their project_root."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {
        **kept,
        "LAKE_HISTORY__APPEND_SECONDS": "0",
        "LAKE_POSTGRES__DATABASE": lake_settings.postgres.database,
        "LAKE_BROKER__TOPIC_PREFIX": lake_settings.broker.topic_prefix,
        "LAKE_LANDING__RAW_SCHEMA": lake_settings.landing.raw_schema,
        "LAKE_LANDING__QUARANTINE_SCHEMA": lake_settings.landing.quarantine_schema,
    }


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Give the SQLMesh context of a module's own `project`, planned to prod."""
    context = project.context()
    project.plan(context)
    yield context
    context.close()

"""What the adapters of one SQLMesh Context share, and what belongs to one plan or run of it.

SQLMesh clones an adapter for each plan and thread. All clones share the services; each plan and each
run has its own ids and its own open publishes, so that two of them may go on in one Context.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlmesh.core import constants

from lake.control import migrate
from lake.control.published import MartContract
from lake.errors import LakeError
from lake.mesh import iceberg
from lake.mesh.engine import open_engine
from lake.mesh.errors import as_stock
from lake.mesh.history import History
from lake.settings import PostgresSettings, Project, Settings, load_settings
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.open import LakeCatalog
    from lake.mesh.publish import Publication


_PLANS_KEPT = 16
_RUNS_KEPT = 64


def _remember(store: dict[str, Any], plan_id: str, value: Any) -> None:
    """Keep a value for a plan; of those that are never applied, the oldest go."""
    store[plan_id] = value
    while len(store) > _PLANS_KEPT:
        del store[next(iter(store))]


class Services:
    """The lake of one Context, opened when first needed: loading a project touches no service."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._opening = threading.Lock()
        self._locks: dict[TableName, threading.RLock] = {}
        self.asked: dict[str, frozenset[str]] = {}
        self.promises: dict[str, tuple[MartContract, ...]] = {}  # of contracts, by the plan that was built
        self.runs: deque[UUID] = deque(maxlen=_RUNS_KEPT)  # newest last

    @cached_property
    def settings(self) -> Settings:
        return load_settings(project=self.project)

    @cached_property
    def control(self) -> PostgresSettings:
        """The control database, its schema up to date."""
        migrate(self.settings.postgres)
        return self.settings.postgres

    @cached_property
    def history(self) -> History:
        return History(self.settings.postgres)

    @property
    def catalog(self) -> LakeCatalog:
        with self._opening:
            return self._catalog

    @cached_property
    def _catalog(self) -> LakeCatalog:
        try:
            return iceberg.open_catalog(self.settings)
        except LakeError as error:
            raise as_stock(error) from error

    def promise(self, plan_id: str, promises: tuple[MartContract, ...]) -> None:
        """Remember what a plan promises until it is applied."""
        _remember(self.promises, plan_id, promises)

    def ask(self, plan_id: str, models: Iterable[str]) -> None:
        """Remember which models a plan restates by name, not as what hangs on them."""
        _remember(self.asked, plan_id, frozenset(models))

    def table_lock(self, table: TableName) -> threading.RLock:
        """Return the lock under which this process publishes a table."""
        with self._opening:
            return self._locks.setdefault(table, threading.RLock())

    def open_connection(self) -> Any:
        """Open DuckDB on the lake; what SQLMesh calls when it needs its first cursor.

        From here on the process has DuckDB's threads, and a fork of it may wait for ever for one that it
        hasn't: SQLMesh renders models in this process, no longer in forked ones.
        """
        constants.MAX_FORK_WORKERS = 1
        try:
            return open_engine(self.settings)
        except LakeError as error:
            raise as_stock(error) from error


class Runtime:
    """One plan, one run, or a Context at rest."""

    def __init__(self, services: Services, *, plan_id: str = "") -> None:
        self.services = services
        self.plan_id = plan_id  # of the plan that is applied
        self.run_id: UUID | None = None  # of the pass over an environment that is going on
        self.restating = False  # whether that pass evaluates what was asked for again
        self.with_hidden: set[TableName] = set()  # tables seen with columns to drop
        self._local = threading.local()

    @property
    def project(self) -> Project:
        return self.services.project

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def control(self) -> PostgresSettings:
        return self.services.control

    @property
    def history(self) -> History:
        return self.services.history

    @property
    def catalog(self) -> LakeCatalog:
        return self.services.catalog

    @property
    def publication(self) -> Publication | None:
        """The publish that this thread has open."""
        return getattr(self._local, "publication", None)

    @publication.setter
    def publication(self, value: Publication | None) -> None:
        self._local.publication = value

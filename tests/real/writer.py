"""One writer of `test_catalog_writers`: commits numbers, one a commit, and prints what was acknowledged."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException

from lake.catalog.open import open_catalog
from lake.mesh.engine import open_engine
from lake.settings import Project, Settings, load_settings

TRIES = 400


def by_duckdb(settings: Settings, schema: str) -> Callable[[int], bool]:
    """Commit through the engine, as models do; False when another writer was first."""
    engine = open_engine(settings)

    def commit(number: int) -> bool:
        try:
            engine.execute(f"INSERT INTO lake.{schema}.t VALUES ({number})")
        except duckdb.Error as error:
            if "409" in str(error) or "onflict" in str(error):
                return False
            raise
        return True

    return commit


def by_pyiceberg(settings: Settings, schema: str) -> Callable[[int], bool]:
    """Commit through the catalog, as landing does; False when another writer was first."""
    catalog = open_catalog(settings)

    def commit(number: int) -> bool:
        table = catalog.load_table((schema, "t"))
        transaction = table.transaction()
        transaction.append(pa.table({"id": pa.array([number], pa.int64())}))
        try:
            catalog.commit_table(table, transaction._requirements, transaction._updates)
        except CommitFailedException:
            return False
        return True

    return commit


def main(client: str, schema: str, writer: str, commits: str) -> None:
    """Commit this writer's numbers."""
    settings = load_settings(project=Project(root=Path(os.environ["LAKEMESH_PROJECT_ROOT"])))
    commit = {"duckdb": by_duckdb, "pyiceberg": by_pyiceberg}[client](settings, schema)
    for number in range(int(writer) * int(commits), (int(writer) + 1) * int(commits)):
        for _ in range(TRIES):
            if commit(number):
                break
            time.sleep(random.uniform(0, 0.2))
        else:
            sys.exit(f"{number} was never first in {TRIES} tries")
        print(number, flush=True)  # noqa: T201  the parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])

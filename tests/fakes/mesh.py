"""A SQLMesh project of one test: its own schemas, state and models; the catalog may be behind a proxy."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from lake.catalog.open import open_catalog
from lake.mesh.engine import open_engine
from lake.postgres import connect
from lake.settings import Project, Settings, TrinoSettings, load_settings
from lake.types import quote_identifier

CONFIG = """\
default_gateway: lake
gateways:
  lake:
    connection: {{type: lake, concurrent_tasks: {tasks}}}
    state_connection: {{type: lake_state}}
    state_schema: sqlmesh
{trino}model_defaults: {{dialect: duckdb, start: 2026-01-01}}
cache_dir: {cache}
infer_python_dependencies: false
disable_anonymized_analytics: true
"""
TRINO = """\
  trino:
    connection: {type: lake_trino}
    state_connection: {type: lake_state}
    state_schema: sqlmesh
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshProject:
    """`name` prefixes every schema of the project: `<name>_raw` for sources, `<name>` for models."""

    name: str
    project: Project
    settings: Settings
    engine: duckdb.DuckDBPyConnection = field(repr=False)

    @property
    def raw(self) -> str:
        return f"{self.name}_raw"

    def model(self, name: str, header: str, query: str, *, audits: str = "") -> None:
        """Write a model's file; `{raw}` and `{me}` stand for the schemas."""
        text = (
            f"MODEL (name {{me}}.{name}, {header}{', audits (' + audits + ')' if audits else ''});\n{query}\n"
        )
        self.write(f"models/{name}.sql", text.format(raw=f"lake.{self.raw}", me=self.name))

    def write(self, path: str, text: str) -> None:
        """Write another file of the project."""
        target = self.project.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def sql(self, statement: str) -> list[Any]:
        """Run a statement on a connection of the test's own, past SQLMesh and past the proxy."""
        text = statement.format(raw=f"lake.{self.raw}", me=f"lake.{self.name}")
        return self.engine.execute(text).fetchall()

    def context(self) -> Any:
        """Load the project with stock SQLMesh."""
        from sqlmesh import Context
        from sqlmesh.core.console import NoopConsole, set_console

        class Console(NoopConsole):
            def log_failed_models(self, errors: Any) -> None:
                for error in errors:
                    print(f"{error}: {error.__cause__}")  # noqa: T201  pytest shows it when the test fails

        set_console(Console())
        return Context(paths=[str(self.project.root)])

    def plan(self, context: Any, environment: str | None = None, **options: Any) -> Any:
        """Plan and apply without questions."""
        return context.plan(environment, auto_apply=True, no_prompts=True, skip_tests=True, **options)

    def physical(self, context: Any, model: str) -> tuple[str, str]:
        """Return schema and name of the table behind a model's present version."""
        table = context.table_name(f"{self.name}.{model}", "prod")
        return tuple(part.strip('"') for part in table.split(".")[-2:])  # type: ignore[return-value]

    def table(self, context: Any, model: str) -> Any:
        """Return what the catalog says about that table."""
        return open_catalog(self.settings).load_table(self.physical(context, model))


@contextmanager
def mesh_project(
    folder: Path, stack: Settings, *, catalog_uri: str | None = None, tasks: int = 1
) -> Iterator[MeshProject]:
    """Make a project with a database of its own; its schemas stay in the test's catalog."""
    name = f"m{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    trino = TRINO if stack.trino != TrinoSettings() else ""
    config = CONFIG.format(cache=folder / ".cache", tasks=tasks, trino=trino)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    with connect(stack.postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {quote_identifier(name)}".encode())
    project = Project(root=folder)
    write_endpoints(project, stack, database=name, catalog_uri=catalog_uri)
    engine = open_engine(stack)
    engine.execute(f"CREATE SCHEMA lake.{name}_raw")
    try:
        yield MeshProject(name=name, project=project, settings=load_settings(project=project), engine=engine)
    finally:
        engine.close()
        with connect(stack.postgres, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE)".encode())


def write_endpoints(
    project: Project, stack: Settings, *, database: str, catalog_uri: str | None = None, **changes: Any
) -> None:
    """Write the endpoints that the project's connections read."""
    catalog = stack.catalog
    if catalog_uri is not None:
        token = catalog.oauth2_server_uri or f"{catalog.uri}/v1/oauth/tokens"
        catalog = catalog.model_copy(update={"uri": catalog_uri, "oauth2_server_uri": token})
    document = {
        "storage": _revealed(stack.storage),
        "catalog": _revealed(catalog),
        "postgres": {**_revealed(stack.postgres), "database": database},
        "trino": _revealed(stack.trino),
        **changes,
    }
    project.state.mkdir(mode=0o700, exist_ok=True)
    project.endpoints_file.write_text(json.dumps(document), encoding="utf-8")


def _revealed(section: Any) -> dict[str, Any]:
    values = {}
    for key, value in section:
        secret = getattr(value, "get_secret_value", None)
        values[key] = secret() if secret else str(value) if isinstance(value, Path) else value
    return values

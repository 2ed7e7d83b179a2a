"""The project's models on a stock, in-memory DuckDB: no stack, no settings, no state left behind."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlmesh.core.config import (
    Config,
    DuckDBConnectionConfig,
    GatewayConfig,
    LinterConfig,
    ModelDefaultsConfig,
)
from sqlmesh.core.config.format import FormatConfig
from sqlmesh.core.console import NoopConsole, set_console
from sqlmesh.core.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


def load(scratch: Path, database: str = ":memory:") -> Context:
    """Load the project with the catalog `lake` in memory or in a file, its cache in a folder of its own."""
    set_console(NoopConsole())
    return Context(
        paths=[str(ROOT)],
        config=Config(
            gateways={
                "lake": GatewayConfig(
                    connection=DuckDBConnectionConfig(catalogs={"lake": database}),
                    state_connection=DuckDBConnectionConfig(),
                )
            },
            default_gateway="lake",
            model_defaults=ModelDefaultsConfig(dialect="duckdb", start="2025-01-01"),
            format=FormatConfig(append_newline=True),
            linter=LinterConfig(enabled=True, rules={"all"}),
            cache_dir=str(scratch / "cache"),
            infer_python_dependencies=False,
            disable_anonymized_analytics=True,
        ),
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """Give the loaded project; read it, build nothing in it."""
    with contextlib.closing(load(tmp_path_factory.mktemp("project"))) as context:
        yield context


@pytest.fixture(scope="session")
def load_project() -> Callable[[Path], Context]:
    """Give what loads a project with an empty lake of its own, for tests that build."""
    return load

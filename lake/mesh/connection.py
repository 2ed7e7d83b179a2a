"""Connection types for config.yaml: `lake` (DuckDB), `lake_trino`, `lake_state` (PostgreSQL).

None has an endpoint or a secret of its own: they read `lake.settings` of the project when a
connection is opened, so that loading, linting, formatting and unit tests work with the stack down.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field
from sqlmesh.core.config.connection import ConnectionConfig
from sqlmesh.core.engine_adapter.base import EngineAdapter

from lake.settings import Project, Settings, find_project, load_settings
from lake.types import CATALOG


def project_of(folder: str | None) -> Project:
    """Return the project of a connection: the folder of its config.yaml, else the working folder's."""
    return Project(root=Path(folder)) if folder else find_project()


class ProjectConnectionConfig(ConnectionConfig):
    """What the three have in common: the project whose settings say where to connect."""

    project: str | None = None

    @property
    def _connection_kwargs_keys(self) -> set[str]:
        return set()

    def _settings(self) -> Settings:
        return load_settings(project=project_of(self.project))


class LakeConnectionConfig(ProjectConnectionConfig):
    """DuckDB with the lake's catalog attached; one adapter per Context, never shared between lakes."""

    concurrent_tasks: int = 1
    register_comments: bool = True
    pre_ping: Literal[False] = False

    type_: Literal["lake"] = Field(alias="type", default="lake")
    DIALECT: ClassVar[Literal["duckdb"]] = "duckdb"
    DISPLAY_NAME: ClassVar[str] = "lakemesh (DuckDB on Iceberg)"
    DISPLAY_ORDER: ClassVar[int] = 100

    @property
    def shared_connection(self) -> bool:
        return True

    @property
    def _engine_adapter(self) -> type[EngineAdapter]:
        from lake.mesh.adapter import LakeEngineAdapter  # noqa: PLC0415  SQLMesh is half loaded at registration

        return LakeEngineAdapter

    @property
    def _connection_factory(self) -> Callable[[], Any]:
        factory: Callable[[], Any] = self._services().open_connection
        return factory

    def get_catalog(self) -> str:
        return CATALOG

    def create_engine_adapter(
        self,
        register_comments_override: bool = False,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        concurrent_tasks: int | None = None,
    ) -> EngineAdapter:
        # SQLMesh is half loaded when the types are registered.
        from lake.mesh.pools import ThreadCursors  # noqa: PLC0415
        from lake.mesh.runtime import Runtime  # noqa: PLC0415
        from lake.mesh.seams import install  # noqa: PLC0415

        install()
        services = self._services()
        return self._engine_adapter(
            ThreadCursors(services.open_connection),
            multithreaded=(concurrent_tasks or self.concurrent_tasks) > 1,
            default_catalog=CATALOG,
            register_comments=register_comments_override or self.register_comments,
            pretty_sql=self.pretty_sql,
            runtime=Runtime(services),
        )

    def _services(self) -> Any:
        from lake.mesh.runtime import Services  # noqa: PLC0415  SQLMesh is half loaded at registration

        return Services(project_of(self.project))


class LakeTrinoConnectionConfig(ProjectConnectionConfig):
    """Trino on the same catalog; loads with no Trino and no driver, connects where the settings say."""

    concurrent_tasks: int = 4
    register_comments: bool = True
    pre_ping: Literal[False] = False
    # Else SQLMesh asks a server what kind of catalog it has.
    catalog_type_overrides: dict[str, str] | None = Field(default={CATALOG: "iceberg"})

    type_: Literal["lake_trino"] = Field(alias="type", default="lake_trino")
    DIALECT: ClassVar[Literal["trino"]] = "trino"
    DISPLAY_NAME: ClassVar[str] = "lakemesh (Trino on Iceberg)"
    DISPLAY_ORDER: ClassVar[int] = 101

    @property
    def _engine_adapter(self) -> type[EngineAdapter]:
        from lake.mesh.trino.adapter import LakeTrinoAdapter  # noqa: PLC0415  see LakeConnectionConfig

        return LakeTrinoAdapter

    @property
    def _connection_factory(self) -> Callable[[], Any]:
        from lake.mesh.trino import open_trino  # noqa: PLC0415  see LakeConnectionConfig

        return lambda: open_trino(self._settings().trino)

    def get_catalog(self) -> str:
        return CATALOG

    def create_engine_adapter(
        self,
        register_comments_override: bool = False,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        concurrent_tasks: int | None = None,
    ) -> EngineAdapter:
        # See LakeConnectionConfig.
        from lake.mesh.pools import ThreadConnections  # noqa: PLC0415
        from lake.mesh.runtime import Runtime, Services  # noqa: PLC0415
        from lake.mesh.seams import install  # noqa: PLC0415

        install()
        del register_comments_override, concurrent_tasks
        return self._engine_adapter(
            ThreadConnections(self._connection_factory),
            multithreaded=True,
            default_catalog=CATALOG,
            register_comments=self.register_comments,
            catalog_type_overrides=self.catalog_type_overrides,
            runtime=Runtime(Services(project_of(self.project))),
        )


class LakeStateConnectionConfig(ProjectConnectionConfig):
    """SQLMesh's state in the control database, over psycopg 3."""

    concurrent_tasks: int = 4
    register_comments: bool = False
    pre_ping: bool = True

    type_: Literal["lake_state"] = Field(alias="type", default="lake_state")
    DIALECT: ClassVar[Literal["postgres"]] = "postgres"
    DISPLAY_NAME: ClassVar[str] = "lakemesh (state in PostgreSQL)"
    DISPLAY_ORDER: ClassVar[int] = 102

    @property
    def is_recommended_for_state_sync(self) -> bool:
        return True

    @property
    def _engine_adapter(self) -> type[EngineAdapter]:
        from sqlmesh.core.engine_adapter.postgres import PostgresEngineAdapter  # noqa: PLC0415  see LakeConnectionConfig

        return PostgresEngineAdapter

    @property
    def _connection_factory(self) -> Callable[[], Any]:
        from lake.mesh.state import open_state  # noqa: PLC0415  see LakeConnectionConfig

        return lambda: open_state(self._settings().postgres)

    def create_engine_adapter(
        self,
        register_comments_override: bool = False,  # noqa: FBT001, FBT002  the signature is SQLMesh's
        concurrent_tasks: int | None = None,
    ) -> EngineAdapter:
        from lake.mesh.pools import ThreadConnections  # noqa: PLC0415  see LakeConnectionConfig

        del register_comments_override, concurrent_tasks
        return self._engine_adapter(
            ThreadConnections(self._connection_factory),
            multithreaded=True,
            default_catalog=self.get_catalog(),
            register_comments=self.register_comments,
            pre_ping=self.pre_ping,
        )

    def get_catalog(self) -> str | None:
        return self._settings().postgres.database

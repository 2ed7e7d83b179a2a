"""Typed settings: the only reader of the environment.

Order, later wins (SQLMesh's own, so that both resolve alike):
`[tool.lake]` in pyproject.toml < `.lake/endpoints.json` (profile embedded only) < `LAKE_*` < `.env`.
"""

from lake.settings.load import (
    cache_folder,
    inherited_environment,
    load_settings,
    log_level,
    settings_environment,
)
from lake.settings.model import (
    BrokerSettings,
    CatalogSettings,
    ConnectSettings,
    EngineSettings,
    EnvironmentSettings,
    GatewaySettings,
    HistorySettings,
    LandingSettings,
    PostgresSettings,
    Profile,
    RegistrySettings,
    Settings,
    StorageSettings,
    TrinoSettings,
)
from lake.settings.project import STATE_DIRECTORY, Project, find_project

__all__ = [
    "STATE_DIRECTORY",
    "BrokerSettings",
    "CatalogSettings",
    "ConnectSettings",
    "EngineSettings",
    "EnvironmentSettings",
    "GatewaySettings",
    "HistorySettings",
    "LandingSettings",
    "PostgresSettings",
    "Profile",
    "Project",
    "RegistrySettings",
    "Settings",
    "StorageSettings",
    "TrinoSettings",
    "cache_folder",
    "find_project",
    "inherited_environment",
    "load_settings",
    "log_level",
    "settings_environment",
]

"""Register the connection types in SQLMesh's tables and tell each connection its project."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from lake.mesh import connection

TYPES: dict[str, Any] = {
    "lake": connection.LakeConnectionConfig,
    "lake_trino": connection.LakeTrinoConnectionConfig,
    "lake_state": connection.LakeStateConnectionConfig,
}


def adjust(module: ModuleType) -> None:
    """Adjust one of the modules that `lake.mesh.hook` watches; repeating it changes nothing."""
    if hasattr(module, "CONNECTION_CONFIG_TO_TYPE"):
        module.CONNECTION_CONFIG_TO_TYPE.update(TYPES)
        module.DIALECT_TO_TYPE.update({name: kind.DIALECT for name, kind in TYPES.items()})
        return
    read = module.load_config_from_yaml
    if getattr(read, "names_project", False):
        return

    @wraps(read)
    def load_config_from_yaml(path: Path, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        return name_project(read(path, variables), Path(path).absolute().parent)

    load_config_from_yaml.names_project = True  # type: ignore[attr-defined]  # a mark on the function
    module.load_config_from_yaml = load_config_from_yaml  # type: ignore[attr-defined]  # a module is open


def name_project(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write the folder of a config.yaml into its lake connections.

    SQLMesh doesn't tell a connection where its file lies, and `sqlmesh -p FOLDER` may run anywhere.
    """
    gateways = content.get("gateways")
    for gateway in gateways.values() if isinstance(gateways, dict) else ():
        for key in ("connection", "state_connection"):
            section = gateway.get(key) if isinstance(gateway, dict) else None
            if isinstance(section, dict) and section.get("type") in TYPES:
                section.setdefault("project", str(folder))
    return content

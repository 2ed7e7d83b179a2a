"""The project's macros as a test loads them: by their path, for the folder is no installed package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from sqlmesh.core.macros import macro

MACROS = Path(__file__).parents[2] / "macros"


def load(name: str) -> ModuleType:
    """Import one file of macros/ and leave SQLMesh's registry as it was."""
    spec = importlib.util.spec_from_file_location(f"project_macros_{name}", MACROS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    registered = macro.get_registry()
    spec.loader.exec_module(module)
    macro.set_registry(registered)  # a project loaded later in this process finds its own
    return module

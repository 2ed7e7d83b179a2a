"""Make stock `sqlmesh` know our connection types; run by `lakemesh.pth` in every interpreter.

Why a `.pth`: SQLMesh has no entry point for connection types (ADR 3). Until somebody imports
SQLMesh's configuration this costs one entry in `sys.meta_path` and nothing else.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # importing typing would cost every interpreter 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

WATCHED = ("sqlmesh.core.config.connection", "sqlmesh.core.config.loader")


class RegisteringFinder:
    """Find the watched modules as usual and adjust each once it has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in WATCHED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = RegisteringLoader(spec.loader)  # type: ignore[assignment]  # a Loader by shape
        return spec


class RegisteringLoader:
    """Run the module, then let `lake.mesh.register` adjust it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _adjust(module)


def install() -> None:
    """Watch for SQLMesh, adjust what is loaded already; harmless when called twice."""
    if not any(isinstance(finder, RegisteringFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, RegisteringFinder())
    for name in WATCHED:
        if name in sys.modules:
            _adjust(sys.modules[name])


def _adjust(module: ModuleType) -> None:
    from lake.mesh.register import adjust  # noqa: PLC0415  it imports SQLMesh, so only when SQLMesh is asked for

    adjust(module)

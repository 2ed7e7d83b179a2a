"""Where the embedded services keep things inside `.lake/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lake.settings import Project
from lake.stack.state import Credentials

# Children get this and what they need, never the caller's environment: no AWS_PROFILE, no LAKE_*.
BASE_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that a service is built from: the project, its remembered ports and its credentials."""

    project: Project
    ports: dict[str, int]
    credentials: Credentials

    def data(self, name: str) -> Path:
        return self.project.state / name

    @property
    def run(self) -> Path:
        """Working folder of children: sockets, no data."""
        return self.project.state / "run"

    def log(self, service: str) -> Path:
        return self.project.logs / f"{service}.log"

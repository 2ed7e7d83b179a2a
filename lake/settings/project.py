"""Where the user's definitions live: the nearest parent folder with a `config.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lake.errors import ConfigurationError

STATE_DIRECTORY = ".lake"
MARKER = "config.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project folder and the places inside it; never the installed package."""

    root: Path

    @property
    def state(self) -> Path:
        """Endpoints, credentials, logs and data of the embedded stack (mode 0700)."""
        return self.root / STATE_DIRECTORY

    @property
    def endpoints_file(self) -> Path:
        return self.state / "endpoints.json"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def contracts(self) -> Path:
        return self.root / "ingest" / "contracts"

    @property
    def sources(self) -> Path:
        return self.root / "ingest" / "sources"

    @property
    def pipelines(self) -> Path:
        return self.root / "ingest" / "pipelines"

    @property
    def activation(self) -> Path:
        return self.root / "models" / "activation"

    @property
    def external_models(self) -> Path:
        return self.root / "external_models"


def find_project(start: Path | None = None) -> Project:
    """Return the project that `start` (default: the working folder) lies in."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return Project(root=folder)
    message = f"no {MARKER} in {here} or a folder above it"
    raise ConfigurationError(message, hint="cd into a lakemesh project")

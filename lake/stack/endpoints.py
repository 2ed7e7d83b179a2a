"""`.lake/endpoints.json`: how everybody on this machine reaches the stack; settings read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from lake.settings import Project
from lake.stack.state import locked, read_json, write_json

_TUNABLE = {"topic_prefix", "timeout_seconds", "connect_timeout_seconds"}


def write_sections(project: Project, sections: Mapping[str, BaseModel]) -> None:
    """Replace these sections and keep all others; the caller holds the lock."""
    document = read_json(project.endpoints_file) or {}
    document.update({name: _plain(section) for name, section in sections.items()})
    write_json(project, project.endpoints_file, document)


def write_variables(project: Project, variables: Mapping[str, str]) -> None:
    """Merge addresses and tokens for `${name}` in sources and syncs into endpoints.json.

    Idempotent; one writer at a time. The values become `settings.variables`.
    """
    with locked(project):
        document = read_json(project.endpoints_file) or {}
        document["variables"] = {**document.get("variables", {}), **variables}
        write_json(project, project.endpoints_file, document)


def _plain(section: BaseModel) -> dict[str, Any]:
    """Return the whole section, secrets in clear (the file is 0600), without what only users tune.

    Defaults stand there too: a CA file that pyproject names for production must not reach the laptop.
    """
    return {name: _written(value) for name, value in section if name not in _TUNABLE}


def _written(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value

"""Merge the four sources into one `Settings`."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from lake.errors import ConfigurationError
from lake.settings.model import Profile, Settings
from lake.settings.project import Project, find_project

PREFIX = "LAKE_"
NESTED = "__"


def load_settings(
    *, project: Project | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read pyproject, endpoints, environment and `.env` of a project; later wins.

    Raises ConfigurationError naming the key and the sources looked at.
    """
    project = project or find_project()
    variables = dict(os.environ if environment is None else environment)
    variables.update({k: v for k, v in dotenv_values(project.root / ".env").items() if v is not None})
    table = _pyproject(project.root / "pyproject.toml")
    overrides = _from_variables(variables)
    profile = overrides.get("profile", table.get("profile", Profile.EMBEDDED))
    layers = [table]
    if profile == Profile.EMBEDDED:
        layers.append(_endpoints(project.endpoints_file))
    layers.append(overrides)
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer)
    try:
        return Settings.model_validate({**merged, "project_root": project.root})
    except ValidationError as error:
        raise ConfigurationError(
            _explain(error), hint=f"check [tool.lake] in pyproject.toml, {PREFIX}* variables and .env"
        ) from None


def cache_folder() -> Path:
    """Return where `make trino` and its like put servers, once for all projects of a user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lakemesh"


def log_level() -> str:
    """Return the project's log level.

    WARNING where there is no project or its settings are wrong: the command itself says what is wrong.
    """
    try:
        return load_settings().log_level
    except ConfigurationError:
        return "WARNING"


def inherited_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with `changes`, for a child that reads settings as we do."""
    return {**os.environ, **changes}


def settings_environment() -> dict[str, str]:
    """Return what decides how a service sees the lake: a shell's other variables must not restart it."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) or name == "HOME"}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _pyproject(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no valid TOML: {error}", hint=f"edit {path}") from error
    table: dict[str, Any] = document.get("tool", {}).get("lake", {})
    return table


def _endpoints(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise ConfigurationError(
            f"{path} may not be read by this user", hint="run as the user who ran lake up"
        ) from error
    except ValueError:
        document = None  # the parser's own message would quote what it read
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} is damaged: no JSON object", hint=f"rm {path} && lake up")
    return document


def _from_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    """Turn LAKE_BROKER__CLUSTER=x into {"broker": {"cluster": "x"}}."""
    tree: dict[str, Any] = {}
    for name, value in sorted(variables.items()):
        if not name.startswith(PREFIX):
            continue
        *parents, leaf = name.removeprefix(PREFIX).lower().split(NESTED)
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigurationError(
                    f"{name} and {PREFIX}{parent.upper()} can't both be set: {parent} is a section",
                    hint=f"unset {PREFIX}{parent.upper()}",
                )
        node[leaf] = value
    return tree


def _merge(base: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ValidationError) -> str:
    """List what is wrong without the values: one of them may be a secret."""

    def lines() -> Iterator[str]:
        for item in error.errors(include_input=False, include_url=False):
            wrong = "there is no such setting" if item["type"] == "extra_forbidden" else item["msg"]
            yield f"{'.'.join(str(part) for part in item['loc'])}: {wrong}"

    return "settings don't fit: " + "; ".join(lines())

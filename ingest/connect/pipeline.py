"""Pipelines as files: plain Redpanda Connect configurations; `${name}` stands for a setting's variable.

We put the values in, not Connect: it does so for some of its calls only, from an environment that nobody
here can see. What would look like a variable to it afterwards is refused, so that what is sent is what runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from ingest.connect.licence import enterprise_components
from lake.errors import ConfigurationError
from lake.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z0-9_.]+)(?P<rest>[^}]*)\}")
_PARTS = ("input", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One stream as it should run; the configuration holds secrets, so it is never shown."""

    name: str
    file: Path
    config: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        return digest_of(self.config)


def digest_of(config: Any) -> str:
    """Return a hash by which two configurations are compared without showing either."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pipeline_names(folder: Path) -> tuple[str, ...]:
    """Return the names of all pipelines, sorted; none when there is no folder."""
    return tuple(path.stem for path in sorted(folder.glob("*.yaml")))


def load_pipelines(folder: Path, settings: Settings, *, only: Collection[str] = ()) -> tuple[Pipeline, ...]:
    """Return the pipelines of a folder, sorted by name; with `only` those of these names.

    Raises ConfigurationError naming the file: no YAML, no input or output, a variable that the settings
    lack, a component that needs an enterprise licence.
    """
    variables = pipeline_variables(settings)
    names = [name for name in pipeline_names(folder) if not only or name in only]
    return tuple(_load(folder / f"{name}.yaml", variables) for name in names)


def pipeline_variables(settings: Settings) -> Mapping[str, SecretStr]:
    """Return what `${name}` stands for: the settings' variables, and where broker and gateway are."""
    own = {
        "lake_bootstrap_servers": settings.broker.bootstrap_servers,
        "lake_topic_prefix": settings.broker.topic_prefix,
        "gateway_url": f"http://{settings.gateway.host}:{settings.gateway.port}",
    }
    return {name: SecretStr(value) for name, value in own.items()} | settings.variables


def _load(path: Path, variables: Mapping[str, SecretStr]) -> Pipeline:
    if not _NAME.match(path.stem):
        raise ConfigurationError(
            f"{path}: a pipeline is named by its file: use a-z, 0-9 and _", hint=f"mv {path} <name>.yaml"
        )
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", hint=f"edit {path}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError(f"{place}: no valid YAML", hint=f"edit {path}") from None
    members = document if isinstance(document, dict) else {}
    if missing := [part for part in _PARTS if part not in members]:
        raise ConfigurationError(
            f"{path}: a pipeline has an input and an output; missing: {', '.join(missing)}",
            hint=f"edit {path}",
        )
    if licensed := enterprise_components(document):
        raise ConfigurationError(
            f"{path}: {', '.join(licensed)} needs an enterprise licence of Redpanda Connect",
            hint=f"use another component in {path}; landing into Iceberg is lake ingest run",
        )
    return Pipeline(name=path.stem, file=path, config=_filled(document, variables, path))


def _filled(node: Any, variables: Mapping[str, SecretStr], path: Path) -> Any:
    if isinstance(node, dict):
        return {str(name): _filled(member, variables, path) for name, member in node.items()}
    if isinstance(node, list):
        return [_filled(item, variables, path) for item in node]
    return _text(node, variables, path) if isinstance(node, str) else node


def _text(text: str, variables: Mapping[str, SecretStr], path: Path) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["name"].lower()
        if name not in variables or match["rest"]:
            raise ConfigurationError(
                f"{path}: no setting gives ${{{match['name']}{match['rest']}}} a value",
                hint=f"export LAKE_VARIABLES__{name.upper()}=…, or put it into .env",
            )
        found = variables[name].get_secret_value()
        if _VARIABLE.search(found):
            raise ConfigurationError(
                f"{path}: the value of {name} looks like a variable itself, which Connect would fill in",
                hint=f"change LAKE_VARIABLES__{name.upper()}",
            )
        return found

    return _VARIABLE.sub(value, text)

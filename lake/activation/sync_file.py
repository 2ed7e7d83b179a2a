"""Read `models/activation/<sync>.sync.yaml`: the one place where a sync's definition enters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lake.activation.definition import Destination, Guards, Sync
from lake.errors import BadInputError, ConfigurationError
from lake.settings import Project, Settings

SUFFIX = ".sync.yaml"

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
_Route = Annotated[str, StringConstraints(pattern=r"^/")]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Rate(_Strict):
    requests: Annotated[int, Field(gt=0)] = 10
    per_seconds: Annotated[float, Field(gt=0)] = 1.0


class _DestinationFile(_Strict):
    """An HTTP API with batch upsert and an answer per record."""

    type: Literal["http_batch"]
    url: str
    token: str = ""
    upsert: _Route
    delete: _Route
    read: _Route
    envelope: _Name = "records"
    batch_size: Annotated[int, Field(gt=0, le=10_000)] = 100
    rate_limit: _Rate = _Rate()
    timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    attempts: Annotated[int, Field(gt=0, le=50)] = 8
    retry_after_max_seconds: Annotated[float, Field(gt=0)] = 60.0
    verify_sample: Annotated[int, Field(ge=0)] = 10


class _GuardsFile(_Strict):
    max_create_share: _Share = 0.3
    max_update_share: _Share = 0.3
    max_delete_share: _Share = 0.01
    always_allow: Annotated[int, Field(ge=0)] = 50


class _SyncFile(_Strict):
    sync: _Name
    description: Annotated[str, StringConstraints(min_length=1)]
    owner: Annotated[str, StringConstraints(min_length=1)]
    model: Annotated[str, StringConstraints(pattern=r"^lake\.[a-z0-9_]+\.[a-z0-9_]+$")]
    key: _Name
    fields: Annotated[dict[str, _Name], Field(min_length=1)]
    destination: _DestinationFile
    guards: _GuardsFile = _GuardsFile()


def read_syncs(project: Project) -> tuple[Sync, ...]:
    """Return every sync of a project by name.

    Raises ConfigurationError naming the file and the key.
    """
    files = sorted(project.activation.glob(f"*{SUFFIX}"))
    return tuple(_read(file) for file in files)


def find_sync(project: Project, name: str | None) -> Sync:
    """Return the sync called `name`, or the only one there is."""
    syncs = read_syncs(project)
    if name is None and len(syncs) == 1:
        return syncs[0]
    for sync in syncs:
        if sync.name == name:
            return sync
    known = ", ".join(sync.name for sync in syncs) or "none"
    asked = "which sync?" if name is None else f"no sync is called {name!r};"
    raise BadInputError(
        f"{asked} known: {known}", hint=f"define it in models/activation/<name>{SUFFIX}, or name one of them"
    )


def _read(path: Path) -> Sync:
    hint = f"edit {path}"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        file = _SyncFile.model_validate(document)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no valid YAML: {error}", hint=hint) from error
    except ValidationError as error:
        items = error.errors(include_input=False, include_url=False)
        wrong = "; ".join(f"{'.'.join(str(p) for p in item['loc'])}: {item['msg']}" for item in items)
        raise ConfigurationError(f"{path} does not fit: {wrong}", hint=hint) from None
    if path.name != f"{file.sync}{SUFFIX}":
        raise ConfigurationError(f"{path} defines sync {file.sync!r}: file and sync share a name", hint=hint)
    target = file.destination
    return Sync(
        name=file.sync,
        description=file.description.strip(),
        owner=file.owner,
        model=file.model,
        key=file.key,
        fields=tuple(sorted(file.fields.items())),
        destination=Destination(
            url=target.url,
            token=target.token,
            upsert=target.upsert,
            delete=target.delete,
            read=target.read,
            envelope=target.envelope,
            batch_size=target.batch_size,
            requests=target.rate_limit.requests,
            per_seconds=target.rate_limit.per_seconds,
            timeout_seconds=target.timeout_seconds,
            attempts=target.attempts,
            retry_after_max_seconds=target.retry_after_max_seconds,
            verify_sample=target.verify_sample,
        ),
        guards=Guards(
            max_create_share=file.guards.max_create_share,
            max_update_share=file.guards.max_update_share,
            max_delete_share=file.guards.max_delete_share,
            always_allow=file.guards.always_allow,
        ),
    )


def resolve(text: str, settings: Settings) -> str:
    """Replace `${name}` by `settings.variables[name]`; the result may be a secret.

    Raises ConfigurationError naming the variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in settings.variables:
            raise ConfigurationError(
                f"${{{name}}} is not set",
                hint=f"set LAKE_VARIABLES__{name.upper()}, or start the demo's services with: lake demo",
            )
        return settings.variables[name].get_secret_value()

    return _VARIABLE.sub(value, text)

"""What is fetched from where: the declarative files of `ingest/sources/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from lake.errors import ConfigurationError

_VARIABLE = re.compile(r"\$\{(?P<name>[a-z][a-z0-9_]*)\}")
_HINT = "mend the file, then lake extract status"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoAuth(Section):
    """An open API."""

    type: Literal["none"] = "none"


class BearerAuth(Section):
    """`Authorization: Bearer <token>`; the token stands as `${name}`, never in the file."""

    type: Literal["bearer"]
    token: str

    @model_validator(mode="after")
    def _names_a_variable(self) -> BearerAuth:
        if not _VARIABLE.fullmatch(self.token):
            raise ValueError("token must be a variable such as ${retail_token}: secrets stay out of files")
        return self


class CursorPagination(Section):
    """Each answer names the next page; the parameter brings it there."""

    type: Literal["cursor"]
    parameter: str = "cursor"
    next: str = "next"  # dotted path in the answer; null or missing on the last page


class SinglePage(Section):
    """The first answer is all there is."""

    type: Literal["none"] = "none"


class Incremental(Section):
    """Ask only for what changed: `parameter` is inclusive, records come ordered by `cursor`, then by key."""

    cursor: str = "updated_at"
    parameter: str = "updated_since"


class PageSize(Section):
    parameter: str = "limit"
    value: int = Field(gt=0)


class Retry(Section):
    """How long one page is tried, waits that the server asks for included."""

    total_seconds: float = Field(default=120.0, gt=0)
    connect_seconds: float = Field(default=10.0, gt=0, description="while nothing listens at all")
    wait_initial_seconds: float = Field(default=0.2, gt=0)
    wait_max_seconds: float = Field(default=10.0, gt=0)


class Resource(Section):
    """One collection of the API and the stream that it feeds."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    path: str = Field(pattern=r"^/")
    stream: str
    records: str = "data"  # dotted path of the list in the answer; empty when the answer is the list
    parameters: dict[str, str] = {}
    pagination: Annotated[CursorPagination | SinglePage, Field(discriminator="type")] = SinglePage()
    page_size: PageSize | None = None
    incremental: Incremental


class Source(Section):
    """An API; `base_url` and tokens hold `${name}`, which the settings' variables fill in."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    owner: str
    base_url: str
    auth: Annotated[NoAuth | BearerAuth, Field(discriminator="type")] = NoAuth()
    timeout_seconds: float = Field(default=30.0, gt=0)
    retry: Retry = Retry()
    commit_rows: int = Field(default=20_000, gt=0)
    concurrency: int = Field(default=5, gt=0, le=32)
    resources: tuple[Resource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_twins(self) -> Source:
        for what in ("name", "stream"):
            seen = [getattr(resource, what) for resource in self.resources]
            if twins := {value for value in seen if seen.count(value) > 1}:
                raise ValueError(f"two resources have the {what} {', '.join(sorted(twins))}")
        return self


def load_sources(folder: Path) -> tuple[Source, ...]:
    """Return all sources of `folder`, by name; raises ConfigurationError naming file and key."""
    sources: dict[str, Source] = {}
    for path in sorted(folder.glob("*.yaml")):
        source = load_source(path)
        if source.source in sources:
            raise ConfigurationError(f"{path}: source {source.source} stands in another file too", hint=_HINT)
        sources[source.source] = source
    return tuple(sources[name] for name in sorted(sources))


def load_source(path: Path) -> Source:
    """Read one file."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", hint=_HINT) from error
    try:
        return Source.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise ConfigurationError(f"{path}: {place}: {first['msg']}", hint=_HINT) from error


def fill_in(text: str, variables: Mapping[str, SecretStr], *, source: str) -> str:
    """Replace each `${name}`; raises ConfigurationError for a name that the settings don't have."""

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in variables:
            raise ConfigurationError(
                f"source {source} needs the variable {name}, which no setting gives",
                hint=f"lake demo sets it for the demo; else set LAKE_VARIABLES__{name.upper()}",
            )
        return variables[name].get_secret_value()

    return _VARIABLE.sub(value, text)

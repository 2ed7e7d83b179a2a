"""What all source files share: strict sections, names, and `${name}` variables that the settings fill in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from lake.errors import ConfigurationError

_VARIABLE = re.compile(r"\$\{(?P<name>[a-z][a-z0-9_]*)\}")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _names_a_variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError("must be a variable such as ${retail_token}: secrets stay out of files")
    return text


Secret = Annotated[str, AfterValidator(_names_a_variable)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SourceHead(Section):
    """What every source says about itself."""

    source: Name
    description: str = ""
    owner: str
    manual: bool = Field(default=False, description="runs only when it is named")
    commit_rows: int = Field(default=20_000, gt=0)


class Incremental(Section):
    """Only what changed: a column of the contract says when, and nothing but time makes a record new."""

    cursor: str = "updated_at"
    lookback: float = Field(
        default=0, ge=0, description="ask so many seconds (or numbers) back for what was written late"
    )


class Refresh(Section):
    """Everything each time: the difference to the last snapshot lands as inserts, updates and deletes."""

    deletes: bool = True
    max_deleted: float = Field(
        default=0.5, ge=0, le=1, description="share of the records that may be gone at once"
    )


class ResourceHead(Section):
    """What every resource says about itself: its name and the stream that it feeds."""

    name: Name
    stream: str


class ComparedResource(ResourceHead):
    """A resource whose records come again: it says what is new to it."""

    incremental: Incremental | None = None
    refresh: Refresh | None = None

    @model_validator(mode="after")
    def _one_way_to_be_new(self) -> Self:
        if (self.incremental is None) == (self.refresh is None):
            raise ValueError("needs either incremental: {cursor: …} or refresh: {}")
        return self


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


def refuse_twins(resources: Sequence[ResourceHead]) -> None:
    """Raise ValueError when two resources share a name or feed one stream."""
    for what in ("name", "stream"):
        seen = [getattr(resource, what) for resource in resources]
        if twins := {value for value in seen if seen.count(value) > 1}:
            raise ValueError(f"two resources have the {what} {', '.join(sorted(twins))}")

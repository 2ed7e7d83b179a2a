"""What a source file says about resources of dlt."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ingest.extract.definition import ComparedResource, Incremental, SourceHead, refuse_twins


class DltIncremental(Incremental):
    """The cursor is ours: the function may take it as an argument, None in the first run."""

    argument: str = Field(default="", description="of the function: the instant to begin from, as text")


class DltResource(ComparedResource):
    """A function that gives a dlt resource, or anything that yields records."""

    resource: str = Field(pattern=r"^[\w.]+:\w+$", description="package.module:function")
    arguments: dict[str, str] = Field(default_factory=dict, description="texts; ${name} is filled in")
    incremental: DltIncremental | None = None


class DltSource(SourceHead):
    """Resources that somebody wrote for dlt; needs the extra lakemesh[dlt]."""

    type: Literal["dlt"]
    resources: tuple[DltResource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        refuse_twins(self.resources)
        return self

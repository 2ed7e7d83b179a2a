"""What a source file says about a PostgreSQL database."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ingest.extract.definition import ComparedResource, Secret, SourceHead, refuse_twins
from lake.settings.model import SslMode


class PostgresResource(ComparedResource):
    """A table, or a query."""

    table: str = Field(default="", pattern=r"^[^\"]*$", description="schema.table")
    query: str = Field(default="", description="a SELECT in place of a table")

    @model_validator(mode="after")
    def _one_thing_to_read(self) -> Self:
        if bool(self.table) == bool(self.query):
            raise ValueError("needs either table or query")
        return self


class PostgresSource(SourceHead):
    """A database; host, user and database may hold `${name}`, the password is one."""

    type: Literal["postgres"]
    host: str
    port: str = "5432"
    database: str
    user: str
    password: Secret
    sslmode: SslMode = "disable"
    statement_timeout_seconds: float = Field(default=600, gt=0)
    commit_rows: int = Field(default=100_000, gt=0)
    resources: tuple[PostgresResource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        refuse_twins(self.resources)
        return self

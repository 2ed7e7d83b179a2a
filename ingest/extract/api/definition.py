"""What a source file says about an HTTP API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ingest.extract.api.selection import SelectionError, compile_path
from ingest.extract.definition import (
    ComparedResource,
    Incremental,
    Name,
    Secret,
    Section,
    SourceHead,
    refuse_twins,
)


class NoAuth(Section):
    """An open API."""

    type: Literal["none"] = "none"


class BearerAuth(Section):
    """`Authorization: Bearer <token>`."""

    type: Literal["bearer"]
    token: Secret


class BasicAuth(Section):
    """`Authorization: Basic …` (RFC 7617)."""

    type: Literal["basic"]
    user: str
    password: Secret


class ApiKeyAuth(Section):
    """A key in a header or in the query."""

    type: Literal["api_key"]
    key: Secret
    name: str = "X-API-Key"
    place: Literal["header", "query"] = "header"


class OAuth2Auth(Section):
    """Client credentials (RFC 6749 §4.4): a token is fetched, kept until it expires, renewed once on 401."""

    type: Literal["oauth2"]
    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    audience: str = ""
    credentials: Literal["header", "body"] = Field(
        default="header", description="where the token endpoint wants client_id and client_secret"
    )


Auth = Annotated[NoAuth | BearerAuth | BasicAuth | ApiKeyAuth | OAuth2Auth, Field(discriminator="type")]


def _check_path(path: str) -> None:
    try:
        compile_path(path)
    except SelectionError as error:
        raise ValueError(error.message) from error


class SinglePage(Section):
    """The first answer is all there is."""

    type: Literal["none"] = "none"


class CursorPagination(Section):
    """Each answer names the next page; the parameter brings the name there."""

    type: Literal["cursor"]
    parameter: str = "cursor"
    next: str = "next"  # path in the answer; null, empty or missing on the last page


class PagePagination(Section):
    """Pages have numbers; the last is the one before an empty one, or the one that `total` names."""

    type: Literal["page"]
    parameter: str = "page"
    first: int = 1
    total: str = Field(default="", description="path in the answer to the number of pages")


class OffsetPagination(Section):
    """Pages begin at a count of records; the last is the one before an empty one, or reaches `total`."""

    type: Literal["offset"]
    parameter: str = "offset"
    total: str = Field(default="", description="path in the answer to the number of records")


class LinkPagination(Section):
    """The header `Link: <…>; rel="next"` (RFC 8288) holds the address of the next page."""

    type: Literal["link"]


class NextUrlPagination(Section):
    """The answer holds the address of the next page."""

    type: Literal["next_url"]
    next: str = "next"  # path in the answer; null, empty or missing on the last page


Pagination = Annotated[
    SinglePage | CursorPagination | PagePagination | OffsetPagination | LinkPagination | NextUrlPagination,
    Field(discriminator="type"),
]


class PageSize(Section):
    parameter: str = "limit"
    value: int = Field(gt=0)


class RateLimit(Section):
    """At most so many requests in so many seconds; one host has one limit, the strictest of its sources."""

    requests: int = Field(gt=0)
    seconds: float = Field(default=1.0, gt=0)


class Retry(Section):
    """How long one page is tried, waits that the server asks for included."""

    total_seconds: float = Field(default=120.0, gt=0)
    connect_seconds: float = Field(default=10.0, gt=0, description="while nothing listens at all")
    wait_initial_seconds: float = Field(default=0.2, gt=0)
    wait_max_seconds: float = Field(default=10.0, gt=0)


class ApiIncremental(Incremental):
    """The API is told from when on, inclusive; `ascending` means that it promises the order of the cursor.

    Then the cursor moves with every commit, else once the last page has come.
    """

    parameter: str = "updated_since"
    order: Literal["any", "ascending"] = "any"


class ParentResource(Section):
    """Ask once for each record of another resource; `{column}` in path and parameters is its value.

    Asked again when the parent record changed, or in every run.
    """

    resource: Name
    every: Literal["change", "run"] = "change"
    include: dict[str, str] = Field(
        default_factory=dict, description="member that the child gets: column of the parent"
    )


class ApiResource(ComparedResource):
    """One collection of the API."""

    path: str = Field(pattern=r"^/")
    parent: ParentResource | None = None
    records: str = "data"  # path of the list in the answer; empty when the answer is the list
    parameters: dict[str, str] = Field(default_factory=dict)
    pagination: Pagination = SinglePage()
    page_size: PageSize | None = None
    incremental: ApiIncremental | None = None

    @model_validator(mode="after")
    def _paths_can_be_read(self) -> ApiResource:
        for path in (
            self.records,
            getattr(self.pagination, "next", ""),
            getattr(self.pagination, "total", ""),
        ):
            _check_path(path)
        return self

    @model_validator(mode="after")
    def _children_are_refreshed(self) -> ApiResource:
        if self.parent is None:
            return self
        if self.refresh is None:
            raise ValueError("a resource with a parent needs refresh: {}: there is no time to ask from")
        if self.parent.every == "change" and self.refresh.deletes:
            raise ValueError("deletes need parent.every: run, or say refresh: {deletes: false}")
        return self


class ApiSource(SourceHead):
    """An API; `base_url` and secrets hold `${name}`, which the settings' variables fill in."""

    type: Literal["api"] = "api"
    base_url: str
    auth: Auth = NoAuth()
    rate_limit: RateLimit | None = None
    timeout_seconds: float = Field(default=30.0, gt=0)
    retry: Retry = Retry()
    concurrency: int = Field(default=5, gt=0, le=32)
    resources: tuple[ApiResource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_twins(self) -> ApiSource:
        refuse_twins(self.resources)
        return self

    @model_validator(mode="after")
    def _parents_come_first(self) -> ApiSource:
        known: set[str] = set()
        for resource in self.resources:
            if resource.parent is not None and resource.parent.resource not in known:
                raise ValueError(f"the parent of {resource.name} must stand before it")
            known.add(resource.name)
        return self

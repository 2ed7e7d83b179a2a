"""Where the next page is: pure steps over answers, and a walk that always ends.

A page is named by a token: None for the first, else a number, a cursor or an address as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ingest.extract.api.definition import (
    ApiResource,
    CursorPagination,
    LinkPagination,
    NextUrlPagination,
    OffsetPagination,
    PagePagination,
    Pagination,
    SinglePage,
)
from ingest.extract.api.page import Page
from lake.errors import TerminalError

_EMPTY_IN_A_ROW = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for: a path below the base address with its query, or an address on the same host."""

    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None  # path and query, as a page before named it


def parameters(pagination: Pagination, token: str | None) -> dict[str, str]:
    """Return what the query of the page `token` needs; addresses hold their own query."""
    match pagination:
        case CursorPagination() | OffsetPagination():
            return {} if token is None else {pagination.parameter: token}
        case PagePagination():
            return {pagination.parameter: str(pagination.first) if token is None else token}
        case _:
            return {}


def following(pagination: Pagination, token: str | None, page: Page) -> str | None:
    """Return the token of the page after `page`, None after the last."""
    match pagination:
        case SinglePage():
            return None
        case CursorPagination() | NextUrlPagination():
            return page.next
        case LinkPagination():
            return page.link
        case PagePagination():
            number = int(token or pagination.first)
            at_end = page.total is not None and number - pagination.first + 1 >= page.total
            return None if at_end or not page.records else str(number + 1)
        case OffsetPagination():
            reached = int(token or 0) + len(page.records)
            at_end = page.total is not None and reached >= page.total
            return None if at_end or not page.records else str(reached)


def is_address(pagination: Pagination) -> bool:
    """Tell whether tokens are whole addresses."""
    return isinstance(pagination, LinkPagination | NextUrlPagination)


def can_resume(pagination: Pagination) -> bool:
    """Tell whether a token still names the same page after records were added or changed.

    Numbers count what was there when they were made: a later run would skip what moved forward.
    """
    return isinstance(pagination, CursorPagination | LinkPagination | NextUrlPagination)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far a resource's pages were walked; `advance` gives the next step, None after the last page."""

    resource: ApiResource
    token: str | None = None
    seen: frozenset[str] = frozenset()
    empty: int = 0

    def ask(self, since: str | None) -> Ask:
        """Say how the page is asked for now; `since` is the incremental cursor."""
        resource = self.resource
        if self.token is not None and is_address(resource.pagination):
            return Ask(address=self.token)
        query = dict(resource.parameters)
        if since is not None and resource.incremental is not None:
            query[resource.incremental.parameter] = since
        if resource.page_size is not None:
            query[resource.page_size.parameter] = str(resource.page_size.value)
        return Ask(path=resource.path, query=query | parameters(resource.pagination, self.token))

    def advance(self, page: Page) -> Walk | None:
        """Step on; raises TerminalError when the API sends us in a circle or through endless empty pages."""
        token = following(self.resource.pagination, self.token, page)
        if token is None:
            return None
        if token == self.token or token in self.seen:
            raise TerminalError(
                f"{self.resource.path} names the page {token[:80]!r} twice: its pages never end",
                hint="report it to the API's owner; what came before is landed",
            )
        empty = 0 if page.records else self.empty + 1
        if empty >= _EMPTY_IN_A_ROW:
            raise TerminalError(
                f"{self.resource.path} sent {empty} empty pages in a row",
                hint="report it to the API's owner; what came before is landed",
            )
        return replace(self, token=token, seen=self.seen | {token}, empty=empty)

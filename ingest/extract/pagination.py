"""Where the next page is: a pure walk over answers that always ends."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.extract.source import CursorPagination, Resource
from lake.errors import TerminalError

_EMPTY_IN_A_ROW = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far a resource's pages were walked; `advance` gives the next step, None after the last page."""

    resource: Resource
    cursor: str | None = None
    seen: frozenset[str] = frozenset()
    empty: int = 0

    def parameters(self, since: str | None) -> dict[str, str]:
        """Return the query of the page to fetch now; `since` is the incremental cursor."""
        resource, query = self.resource, dict(self.resource.parameters)
        if since is not None:
            query[resource.incremental.parameter] = since
        if resource.page_size is not None:
            query[resource.page_size.parameter] = str(resource.page_size.value)
        if self.cursor is not None and isinstance(resource.pagination, CursorPagination):
            query[resource.pagination.parameter] = self.cursor
        return query

    def advance(self, following: str | None, *, records: int) -> Walk | None:
        """Step on; raises TerminalError when the API sends us in a circle or through endless empty pages."""
        if following is None or not isinstance(self.resource.pagination, CursorPagination):
            return None
        if following == self.cursor or following in self.seen:
            raise TerminalError(
                f"{self.resource.path} names the page cursor {following[:80]!r} twice: its pages never end",
                hint="report it to the API's owner; what came before is landed",
            )
        empty = 0 if records else self.empty + 1
        if empty >= _EMPTY_IN_A_ROW:
            raise TerminalError(
                f"{self.resource.path} sent {empty} empty pages in a row",
                hint="report it to the API's owner; what came before is landed",
            )
        return Walk(resource=self.resource, cursor=following, seen=self.seen | {following}, empty=empty)

"""The pages of one resource as blocks of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any

from ingest.extract.api.client import Answer, ApiClient, Validator
from ingest.extract.api.definition import ApiResource
from ingest.extract.api.pagination import Walk, can_resume
from ingest.extract.records import Block, JsonRecords, Records
from lake.errors import TerminalError, UnavailableError
from lake.log import get_logger

log = get_logger("extract")

_PAGE = "page"  # the token of the page to go on with
_VALIDATORS = ("etag", "modified")


class ApiFeed:
    """One walk over the pages of a resource.

    The place holds the next page while a walk is under way, if the API names pages by cursors or
    addresses, and afterwards what the whole answer is recognised by, if it was one page.
    """

    def __init__(
        self,
        resource: ApiResource,
        client: ApiClient,
        *,
        since: str | None,
        place: Mapping[str, Any],
        stop: Event,
    ) -> None:
        self._resource = resource
        self._client = client
        self._since = since
        self._place = place
        self._stop = stop
        self._whole: Answer | None = None  # the answer that was all there is
        self.ascending = resource.incremental is not None and resource.incremental.order == "ascending"
        self.resumed = self.complete = False

    def blocks(self) -> Iterator[Block]:
        """Yield a block per page; none when the API says that nothing changed."""
        walk, answer = self._begin()
        while answer.page is not None:
            page = answer.page
            following = walk.advance(page)
            if following is None:
                self._whole = answer if walk.token is None else None
                yield Block(records=JsonRecords(page.records))
                return
            goes_on = can_resume(self._resource.pagination)
            place = {_PAGE: following.token} if goes_on else {}
            yield Block(records=JsonRecords(page.records), place=place)
            if self._stop.is_set():
                raise UnavailableError("extract", f"{self._resource.name} was stopped", hint="run it again")
            walk = following
            answer = self._client.fetch(self._resource, walk.ask(self._since))

    def settled(
        self, since: str | None, is_known: Callable[[Records], bool], *, moved: bool
    ) -> Mapping[str, Any]:
        """Return what the whole answer to the next question is recognised by, if it is known."""
        if not moved:
            return {name: value for name, value in self._place.items() if name in _VALIDATORS}
        if self._resource.incremental is None:
            return _place_of(self._whole.validator) if self._whole is not None else {}
        walk = Walk(resource=self._resource)
        answer = self._client.fetch(self._resource, walk.ask(since))
        if answer.page is None or not _place_of(answer.validator) or walk.advance(answer.page) is not None:
            return {}
        return _place_of(answer.validator) if is_known(JsonRecords(answer.page.records)) else {}

    def _begin(self) -> tuple[Walk, Answer]:
        """Go on with the walk that an earlier run left, or ask for the first page."""
        first = Walk(resource=self._resource)
        # Where order is promised the cursor stands at the last commit: asking from there needs no page.
        if not self.ascending and (token := self._place.get(_PAGE)) is not None:
            walk = Walk(resource=self._resource, token=token)
            try:
                answer = self._client.fetch(self._resource, walk.ask(self._since))
            except TerminalError as error:  # the API has forgotten its cursor
                log.info("extract.walk_restarted", resource=self._resource.name, reason=error.message)
            else:
                self.resumed = True
                return walk, answer
        validator = Validator(**{name: self._place.get(name) for name in _VALIDATORS})
        answer = self._client.fetch(self._resource, first.ask(self._since), validator=validator)
        self.complete = answer.page is not None
        return first, answer


def _place_of(validator: Validator) -> dict[str, str]:
    values = {"etag": validator.etag, "modified": validator.modified}
    return {name: value for name, value in values.items() if value}

"""Records that belong to a parent: one walk for each parent record that has landed.

Parents come from the parent resource's table, each key in its newest version, in the order of their running
numbers; the place is the number up to which all children have landed. `every: change` goes on from there,
`every: run` begins anew when all parents have been walked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

import msgspec
import pyarrow as pa

from ingest.extract.api.client import ApiClient, MissingError
from ingest.extract.api.definition import ApiResource
from ingest.extract.api.feed import ApiFeed
from ingest.extract.cursor import instant_text
from ingest.extract.known import open_duckdb, pieces, spilling
from ingest.extract.records import Block, JsonRecords, Records, with_last
from lake.errors import TerminalError
from lake.log import get_logger
from lake.postgres import read_sections
from lake.types import quote_identifier

log = get_logger("extract")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PARENT = "parent"  # the number up to which parents are done
_MISSING_IN_A_ROW = 10
_AT_ONCE = 1_000
_SQL = read_sections("ingest.extract", "parents.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A parent record: its running number and the columns that its children are asked for with."""

    number: int
    values: Mapping[str, Any]


def placeholders(resource: ApiResource) -> frozenset[str]:
    """Return the parent's columns that path, parameters and children name."""
    texts = (resource.path, *resource.parameters.values())
    named = {name for text in texts for name in _PLACEHOLDER.findall(text)}
    return frozenset(named | set(resource.parent.include.values() if resource.parent else ()))


def for_parent(resource: ApiResource, parent: Parent) -> ApiResource:
    """Return the resource as it is asked for one parent."""

    def fill(text: str, *, in_path: bool) -> str:
        def value(match: re.Match[str]) -> str:
            plain = _plain(parent.values[match[1]])
            return quote(plain, safe="") if in_path else plain

        return _PLACEHOLDER.sub(value, text)

    return resource.model_copy(
        update={
            "path": fill(resource.path, in_path=True),
            "parameters": {name: fill(text, in_path=False) for name, text in resource.parameters.items()},
        }
    )


def included(raw: bytes, include: Mapping[str, str], parent: Parent) -> bytes:
    """Return a child with members of its parent in front; what is no object stays as it came."""
    if not include or raw[:1] != b"{":
        return raw
    members = b",".join(
        msgspec.json.encode(name) + b":" + _json(parent.values[column]) for name, column in include.items()
    )
    rest = raw[1:].lstrip()
    return b"{" + members + (b"" if rest[:1] == b"}" else b",") + rest


def newest_parents(
    rows: Iterable[pa.RecordBatch],
    *,
    source: str,
    key: Iterable[str],
    columns: Iterable[str],
    spill: Path,
    after: int,
) -> Iterator[Parent]:
    """Yield the parents of a table's rows (with `meta`) whose newest version has a number above `after`."""
    connection = open_duckdb(spill)
    names = tuple(columns)
    statement = "create"
    with spilling(connection, spill):
        for some in pieces(rows):
            connection.register("batch", some)
            connection.execute(_SQL[statement], {"source": source})
            statement = "add"
        if statement == "create":
            return
        text = _SQL["newest"].format(columns=_listed(names), key=_listed(key))
        found = connection.execute(text, {"after": after})
        while some_rows := found.fetchmany(_AT_ONCE):
            for number, *values in some_rows:
                yield Parent(number=number, values=dict(zip(names, values, strict=True)))


class ChildFeed:
    """One walk over the children of all parents that are due."""

    ascending = resumed = False

    def __init__(
        self,
        resource: ApiResource,
        client: ApiClient,
        parents: Callable[[int], Iterable[Parent]],
        *,
        place: Mapping[str, Any],
        stop: Event,
    ) -> None:
        assert resource.parent is not None
        self._resource = resource
        self._parent = resource.parent
        self._client = client
        self._parents = parents
        self._place = place
        self._stop = stop
        self.complete = self._parent.every == "run" and _PARENT not in place

    def blocks(self) -> Iterator[Block]:
        """Yield the children parent by parent; the place moves with the last page of each."""
        missing = 0
        for parent in self._parents(self._place.get(_PARENT, -1)):
            done = {_PARENT: parent.number}
            resource = for_parent(self._resource, parent)
            feed = ApiFeed(resource, self._client, since=None, place={}, stop=self._stop)
            try:
                for block, last in with_last(feed.blocks()):
                    yield Block(
                        records=self._included(block.records, parent), place=done if last else self._place
                    )
                missing = -1  # one that was there: the path is right
            except MissingError as error:
                log.warning("extract.parent_missing", resource=self._resource.name, parent=parent.number)
                missing += missing >= 0
                if missing >= _MISSING_IN_A_ROW:
                    raise TerminalError(
                        f"the first {missing} parents of {self._resource.name} have no children at all:"
                        f" {error.message}",
                        hint="compare path with the API's documentation",
                    ) from error
                yield Block(records=JsonRecords(()), place=done)
            self._place = done

    def settled(
        self, since: str | None, is_known: Callable[[Records], bool], *, moved: bool
    ) -> Mapping[str, Any]:
        """Keep the number for `every: change`; begin anew for `every: run`."""
        del since, is_known, moved
        return self._place if self._parent.every == "change" else {}

    def _included(self, records: Records, parent: Parent) -> JsonRecords:
        assert isinstance(records, JsonRecords)
        return JsonRecords(tuple(included(raw, self._parent.include, parent) for raw in records.values))


def _plain(value: Any) -> str:
    return instant_text(value) if isinstance(value, date) else str(value)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(instant_text(value) if isinstance(value, date) else value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(quote_identifier(name) for name in names)

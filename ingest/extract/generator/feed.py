"""Iterate a dlt resource and hand its records over; the only place that loads dlt.

dlt runs no pipeline here: it loads nothing, keeps no state and reports nothing home. Its own incremental
state would be saved by a pipeline's load, which there is none of; our cursor takes its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from importlib import import_module
from typing import Any

import msgspec
import pyarrow as pa

from ingest.extract.cursor import instant_text
from ingest.extract.definition import fill_in
from ingest.extract.generator.definition import DltResource
from ingest.extract.records import Block, JsonRecords, Records
from lake.errors import ConfigurationError, LakeError, TerminalError
from lake.settings import Settings
from lake.settings.telemetry import switch_off_telemetry

_AT_ONCE = 1_000
_PLAIN = (str, int, float, bool, bytes)


class DltFeed:
    """One iteration of a resource, from its beginning."""

    ascending = False
    complete = True
    resumed = False

    def __init__(self, source: str, resource: DltResource, settings: Settings, *, since: str | None) -> None:
        self._name = f"{source}/{resource.name}"
        self._resource = resource
        self._project = str(settings.project_root)
        self._arguments: dict[str, Any] = {
            name: fill_in(text, settings.variables, source=source)
            for name, text in resource.arguments.items()
        }
        if resource.incremental is not None and resource.incremental.argument:
            self._arguments[resource.incremental.argument] = since

    def blocks(self) -> Iterator[Block]:
        """Yield the records in blocks; raises TerminalError for whatever the resource raises."""
        waiting: list[bytes] = []
        for item in self._items():
            waiting += _records(item)
            if len(waiting) >= _AT_ONCE:
                yield Block(records=JsonRecords(tuple(waiting)))
                waiting = []
        yield Block(records=JsonRecords(tuple(waiting)))

    def settled(
        self, since: str | None, is_known: Callable[[Records], bool], *, moved: bool
    ) -> Mapping[str, Any]:
        """Keep nothing: the cursor says it all."""
        del since, is_known, moved
        return {}

    def _items(self) -> Iterator[Any]:
        function = self._load()
        try:
            yield from function(**self._arguments)
        except LakeError:
            raise
        except Exception as error:  # whatever somebody else's code raises
            raise TerminalError(
                f"{self._name}: {self._resource.resource} failed: {type(error).__name__}: {error}",
                hint="mend the resource; what came before is landed",
            ) from error

    def _load(self) -> Callable[..., Iterable[Any]]:
        switch_off_telemetry()
        try:
            import dlt  # noqa: F401, PLC0415  an extra, slow to load
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{self._name} is a source of type dlt, and dlt is not installed",
                hint="pip install 'lakemesh[dlt]'",
            ) from error
        module, _, function = self._resource.resource.partition(":")
        if self._project not in sys.path:
            sys.path.insert(0, self._project)
        try:
            found: Callable[..., Iterable[Any]] = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._name}: there is no {self._resource.resource} ({error})",
                hint="write package.module:function, from the project's folder on",
            ) from error
        return found


def _records(item: Any) -> list[bytes]:
    """Return what a resource yielded as JSON records: one, a page of them, or an Arrow table."""
    if isinstance(item, pa.Table | pa.RecordBatch):
        item = item.to_pylist()
    page = item if isinstance(item, list) else [item]
    return [msgspec.json.encode(_plain(record)) for record in page]


def _plain(value: Any) -> Any:
    """Return a value in JSON's types; decimals stay exact as texts."""
    match value:
        case None:
            return None
        case dict():
            return {str(name): _plain(member) for name, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
        case datetime() | date():
            return instant_text(value)
        case _ if isinstance(value, _PLAIN):
            return value
    return str(value)

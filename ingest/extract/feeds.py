"""Open the feeds of a run: what each kind of source needs once, and a feed per resource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import httpx

from ingest.extract.api.children import ChildFeed, Parent, newest_parents, placeholders
from ingest.extract.api.client import ApiClient
from ingest.extract.api.definition import ApiResource, ApiSource
from ingest.extract.api.feed import ApiFeed
from ingest.extract.api.limits import HostGates
from ingest.extract.cursor import Cursor
from ingest.extract.database.definition import PostgresResource, PostgresSource
from ingest.extract.database.feed import PostgresFeed
from ingest.extract.definition import fill_in
from ingest.extract.feed import Feed
from ingest.extract.generator.definition import DltResource
from ingest.extract.generator.feed import DltFeed
from ingest.extract.plan import Extract
from ingest.extract.walk import OpenFeed
from ingest.tables import raw_name
from lake.catalog import LakeCatalog, load_table
from lake.catalog.scan import read_batches
from lake.clock import Clock
from lake.contracts import META
from lake.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What feeds are made of."""

    settings: Settings
    catalog: LakeCatalog
    clock: Clock
    spill: Path
    stop: Event
    transport: httpx.BaseTransport | None = None


@contextmanager
def open_feeds(extracts: Sequence[Extract], opening: Opening) -> Iterator[OpenFeed]:
    """Yield what opens a feed for a resource; connections are closed with the block."""
    with ExitStack() as stack:
        clients = _open_clients(extracts, opening, stack)

        def open_feed(extract: Extract, cursor: Cursor, since: str | None) -> Feed:
            resource, source = extract.resource, extract.source
            if isinstance(resource, PostgresResource):
                assert isinstance(source, PostgresSource)
                return PostgresFeed(source, resource, extract.contract, opening.settings, since=since)
            if isinstance(resource, DltResource):
                return DltFeed(source.source, resource, opening.settings, since=since)
            assert isinstance(resource, ApiResource)
            client = clients[source.source]
            if extract.parent is None:
                return ApiFeed(resource, client, since=since, place=cursor.place, stop=opening.stop)
            return ChildFeed(
                resource,
                client,
                lambda after: _parents(extract, opening, after=after),
                place=cursor.place,
                stop=opening.stop,
            )

        yield open_feed


def _open_clients(extracts: Sequence[Extract], opening: Opening, stack: ExitStack) -> dict[str, ApiClient]:
    """Return a client per API; those of one host share its gate."""
    variables, clock = opening.settings.variables, opening.clock
    sources = {e.source.source: e.source for e in extracts if isinstance(e.source, ApiSource)}
    urls = {name: fill_in(source.base_url, variables, source=name) for name, source in sources.items()}
    gates = HostGates([(urls[name], source.rate_limit) for name, source in sources.items()], clock)
    stack.callback(gates.close)
    clients: dict[str, ApiClient] = {}
    for name, source in sources.items():
        clients[name] = ApiClient(
            source,
            opening.settings,
            clock,
            gate=gates.of(urls[name]),
            transport=opening.transport,
            stop=opening.stop,
        )
        stack.callback(clients[name].close)
    return clients


def _parents(child: Extract, opening: Opening, *, after: int) -> Iterator[Parent]:
    """Yield the landed parents of a resource."""
    assert child.parent is not None
    assert isinstance(child.resource, ApiResource)
    parent, columns = child.parent, sorted(placeholders(child.resource))
    state = load_table(opening.catalog, raw_name(opening.settings.landing, parent))
    wanted = dict.fromkeys([*columns, *parent.primary_key, META.name])
    return newest_parents(
        read_batches(state, columns=tuple(wanted)) if state is not None else (),
        source=f"{parent.source}.{parent.resource}",
        key=parent.primary_key,
        columns=columns,
        spill=opening.spill,
        after=after,
    )

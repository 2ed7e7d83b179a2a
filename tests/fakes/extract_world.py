"""A shop whose API is extracted into tables in memory: runs take milliseconds and can be killed anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import httpx
from pydantic import SecretStr

from ingest.extract.api.children import ChildFeed, Parent, newest_parents, placeholders
from ingest.extract.api.client import ApiClient
from ingest.extract.api.definition import ApiSource
from ingest.extract.api.feed import ApiFeed
from ingest.extract.cursor import instant_text
from ingest.extract.feed import Feed
from ingest.extract.plan import Extract
from ingest.extract.walk import ExtractReport, ResourceRun, Surroundings
from lake.clock import SystemClock
from lake.contracts import parse_contract
from lake.settings import Settings
from tests.fakes.faulty_api import STYLES, FaultyApi
from tests.fakes.memory_tables import MemoryTables
from tests.fakes.paged_api import CONTRACT

START = datetime(2026, 1, 1, tzinfo=UTC)
SPILL = Path(tempfile.gettempdir()) / "lakemesh-tests-spill"
APPEND = parse_contract(CONTRACT)
UPSERT = parse_contract(
    CONTRACT.replace("customProperties:", "customProperties:\n      - {property: mode, value: upsert}")
)
SETTINGS = Settings(project_root=Path(), variables={"secret": SecretStr("hush")})
OAUTH2 = {
    "type": "oauth2",
    "token_url": "http://api.test/token",
    "client_id": "us",
    "client_secret": "${secret}",
}
RETRY = {"total_seconds": 60, "wait_initial_seconds": 0.0001, "wait_max_seconds": 0.0002}


class Api(Protocol):
    """What a run talks to."""

    def transport(self) -> httpx.BaseTransport: ...


def extract_of(api: FaultyApi, **given: Any) -> Extract:
    resource = {
        "name": "things",
        "path": "/things",
        "stream": "things",
        "pagination": STYLES[api.style],
        "page_size": {"value": api.size},
        **given,
    }
    source = ApiSource.model_validate(
        {
            "source": "shop",
            "owner": "testers",
            "base_url": "http://api.test",
            "auth": OAUTH2,
            "retry": RETRY,
            "commit_rows": 3,
            "resources": [resource],
        }
    )
    contract = UPSERT if source.resources[0].refresh else APPEND
    return Extract(source=source, resource=source.resources[0], contract=contract)


def run(
    extract: Extract, api: Api, tables: MemoryTables, parents: MemoryTables | None = None
) -> ExtractReport:
    """Run once, as `lake extract run` would; `parents` are the tables of the parent resource."""
    stop, clock = Event(), SystemClock()
    client = ApiClient(extract.source, SETTINGS, clock, transport=api.transport(), stop=stop)

    def open_feed(extract: Extract, cursor: Any, since: str | None) -> Feed:
        if parents is None:
            return ApiFeed(extract.resource, client, since=since, place=cursor.place, stop=stop)
        columns = sorted(placeholders(extract.resource))
        due = partial(_due, parents, columns)
        return ChildFeed(extract.resource, client, due, place=cursor.place, stop=stop)

    around = Surroundings(
        open_feed=open_feed, spill=SPILL, clock=clock, on_progress=lambda _name, _records: None, stop=stop
    )
    try:
        return ResourceRun(extract, tables, around).run()
    finally:
        client.close()


def _due(parents: MemoryTables, columns: list[str], after: int) -> Iterator[Parent]:
    rows = parents.rows(list(dict.fromkeys([*columns, "id"])))
    return newest_parents(rows, source="shop.things", key=("id",), columns=columns, spill=SPILL, after=after)


@dataclass
class Shop:
    """Changes the records of an API as time goes by."""

    api: FaultyApi
    second: int = 0
    changes: int = 0
    versions: set[str] = field(default_factory=set)

    def change(self, number: int, kind: str, later: int) -> None:
        self.second += max(0, later)
        self.changes += 1
        at = instant_text(START + timedelta(seconds=self.second + min(0, later)))
        record = {
            "id": number,
            "name": f"thing {self.changes}",
            "price": -1 if kind == "bad" else 1,
            "updated_at": None if kind == "timeless" else at,
        }
        self.api.records[number] = record
        self.versions.add(version(record))

    def remove(self, number: int) -> None:
        self.api.records.pop(number, None)


def version(record: dict[str, Any]) -> str:
    """Name a version: every change has a name of its own."""
    return f"{record['id']}/{record['name']}"


def is_good(record: dict[str, Any]) -> bool:
    return record["price"] >= 0 and record["updated_at"] is not None

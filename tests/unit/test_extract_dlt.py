"""A resource of dlt as a source: its records land under the contract, and dlt keeps and sends nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.extract.generator.definition import DltSource
from ingest.extract.generator.feed import DltFeed
from ingest.extract.plan import Extract
from ingest.extract.records import JsonRecords
from ingest.extract.walk import ResourceRun, Surroundings
from lake.clock import SystemClock
from lake.errors import ConfigurationError, TerminalError
from lake.settings import Settings
from tests.fakes.extract_world import APPEND, SPILL
from tests.fakes.memory_tables import MemoryTables

MODULE = """
from datetime import datetime, timezone
from decimal import Decimal

import dlt

ASKED = []

@dlt.resource(name="things")
def things(token, since=None):
    ASKED.append((token, since))
    for n in range(5):
        at = datetime(2026, 1, 1, 0, 0, n, tzinfo=timezone.utc)
        price = Decimal("1.25") if n != 3 else "free"
        yield [{"id": n, "name": f"thing {n}", "price": price, "updated_at": at}]

@dlt.resource
def broken():
    yield {"id": 1, "name": "x", "updated_at": "2026-01-01T00:00:00Z"}
    raise RuntimeError("the API said no")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "crm_source.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "crm_source", raising=False)
    return Settings(project_root=tmp_path, variables={"token": SecretStr("hush")})


def extract_of(resource: str, **given: Any) -> Extract:
    plain = {"name": "things", "stream": "things", "resource": resource, **given}
    source = DltSource.model_validate(
        {"source": "shop", "type": "dlt", "owner": "testers", "commit_rows": 2, "resources": [plain]}
    )
    return Extract(source=source, resource=source.resources[0], contract=APPEND)


def run(extract: Extract, settings: Settings, tables: MemoryTables) -> Any:
    from threading import Event

    def open_feed(own: Extract, _cursor: Any, since: str | None) -> DltFeed:
        return DltFeed("shop", own.resource, settings, since=since)

    around = Surroundings(
        open_feed=open_feed, spill=SPILL, clock=SystemClock(), on_progress=lambda *_: None, stop=Event()
    )
    return ResourceRun(extract, tables, around).run()


def test_records_of_a_dlt_resource_land_once_and_it_gets_our_cursor(project: Settings):
    """Decimals and times keep their meaning, a bad record is quarantined, the second run lands nothing."""
    given = {"arguments": {"token": "${token}"}, "incremental": {"argument": "since"}}
    extract, tables = extract_of("crm_source:things", **given), MemoryTables()

    first, second = run(extract, project, tables), run(extract, project, tables)

    assert (first.landed, first.quarantined, second.landed, second.quarantined) == (4, 1, 0, 0)
    assert [str(row["price"]) for row in tables.content()] == ["1.25"] * 4
    asked = sys.modules["crm_source"].ASKED
    assert asked == [("hush", None), ("hush", "2026-01-01T00:00:04Z")]


def test_dlt_sends_no_telemetry(project: Settings):
    """What dlt would send reports with is never made."""
    run(extract_of("crm_source:things", arguments={"token": "x"}, incremental={}), project, MemoryTables())

    from dlt.common.runtime import anon_tracker

    assert anon_tracker._ANON_TRACKER_ENDPOINT is None
    assert anon_tracker.requests is None


def test_what_a_resource_raises_is_named_and_nothing_half_is_kept(project: Settings):
    """The error says which function failed with what."""
    with pytest.raises(TerminalError, match=r"crm_source:broken failed: .*the API said no"):
        run(extract_of("crm_source:broken", incremental={}), project, MemoryTables())


@pytest.mark.parametrize("resource", ["crm_source:nothing", "no_such_module:things"])
def test_a_resource_that_is_not_there_is_named(project: Settings, resource: str):
    """With how to write it."""
    with pytest.raises(ConfigurationError, match=f"there is no {resource}"):
        run(extract_of(resource, incremental={}), project, MemoryTables())


def test_without_the_extra_the_error_says_what_to_install(project: Settings, monkeypatch: pytest.MonkeyPatch):
    """A source of type dlt needs `lakemesh[dlt]`."""
    monkeypatch.setitem(sys.modules, "dlt", None)

    with pytest.raises(ConfigurationError, match="dlt is not installed") as caught:
        run(extract_of("crm_source:things", incremental={}), project, MemoryTables())

    assert "lakemesh[dlt]" in caught.value.hint


def test_arrow_tables_are_records_too():
    """Resources may yield tables in place of dicts."""
    import pyarrow as pa

    from ingest.extract.generator.feed import _records

    assert JsonRecords(tuple(_records(pa.table({"id": [1, 2]})))).values == (b'{"id":1}', b'{"id":2}')

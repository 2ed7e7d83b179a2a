"""How far each extract is: read from the tables, no request to any API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.extract.cursor import Cursor, property_name
from ingest.extract.plan import plan_extracts
from ingest.pace import NO_PACE, Pace, read_pace
from ingest.status import breakers_of
from ingest.tables import quarantine_name, raw_name
from lake.catalog import load_table, open_catalog
from lake.settings import Project, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractStatus:
    """One resource; None where nothing has landed yet."""

    source: str
    resource: str
    stream: str
    owner: str
    kind: str  # api, files, postgres, dlt
    since: str | None  # the cursor
    under_way: bool  # a run ended in the middle, and the next goes on there
    files: int  # known ones
    rows: int  # of the table, every version of a record counts
    quarantined: int
    last_commit: datetime | None
    pace: Pace = NO_PACE
    breaker: str = "closed"  # open, or unknown while PostgreSQL doesn't answer


def extract_status(settings: Settings) -> tuple[ExtractStatus, ...]:
    """Return all extracts of the project; raises UnavailableError when the catalog doesn't answer."""
    catalog = open_catalog(settings)
    found = []
    extracts = plan_extracts(Project(root=settings.project_root), manual=True)
    breakers = breakers_of(settings, [extract.contract.stream for extract in extracts])
    for extract in extracts:
        contract = extract.contract
        raw = load_table(catalog, raw_name(settings.landing, contract))
        bad = load_table(catalog, quarantine_name(settings.landing, contract))
        text = raw.properties.get(property_name(contract.source, contract.resource)) if raw else None
        cursor = Cursor.from_json(text, table=str(raw.name)) if raw and text else Cursor()
        found.append(
            ExtractStatus(
                source=contract.source,
                resource=contract.resource,
                stream=contract.stream,
                owner=contract.owner,
                kind=extract.source.type,
                since=cursor.since,
                under_way=any(cursor.place.get(name) for name in ("page", "open")),
                files=len(cursor.place.get("files", ())),
                rows=raw.rows if raw else 0,
                quarantined=bad.rows if bad else 0,
                last_commit=raw.committed_at if raw else None,
                pace=read_pace(raw, bad),
                breaker=breakers[contract.stream],
            )
        )
    return tuple(found)

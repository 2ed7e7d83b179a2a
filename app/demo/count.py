"""Count for the proof: what the tables hold, what the APIs say, what the ledger knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

from app.demo.proof import ActivationProof, AuditProof, ExtractProof, StreamProof
from lake.activation import find_sync
from lake.catalog import load_table
from lake.control import AuditStatus, read_latest_audit_results
from lake.control.activation import open_store
from lake.errors import TerminalError
from lake.mesh.session import Session
from lake.postgres import read_sections
from lake.settings import Project, Settings
from lake.types import TableName


def count_streams(
    session: Session, settings: Settings, reports: Iterable[Mapping[str, Any]]
) -> tuple[StreamProof, ...]:
    """Set the source system's own counts against those of the tables."""
    proofs = []
    for report in reports:
        landed, quarantined, duplicates = count_coordinates(session, settings, report["stream"])
        proofs.append(
            StreamProof(
                stream=report["stream"],
                source=report["source"],
                planted=report["planted"],
                produced=report["produced_total"],
                not_due=report["not_yet_due"],
                landed=landed,
                quarantined=quarantined,
                duplicates=duplicates,
            )
        )
    return tuple(proofs)


def count_extracts(
    session: Session, settings: Settings, resources: Sequence[str]
) -> tuple[ExtractProof, ...]:
    """Set what the retail API says that it serves against what landed."""
    url = settings.variables["retail_url"].get_secret_value()
    served = _get(f"{url}/", token=settings.variables["retail_token"].get_secret_value())["resources"]
    proofs = []
    for stream in resources:
        landed, quarantined, duplicates = count_coordinates(session, settings, stream)
        proofs.append(
            ExtractProof(
                stream=stream,
                served=served[stream]["count"],
                landed=landed,
                quarantined=quarantined,
                duplicates=duplicates,
            )
        )
    return tuple(proofs)


def count_audits(settings: Settings) -> AuditProof:
    """Return how the newest audits of every model ended."""
    results = read_latest_audit_results(settings.postgres)
    passed = sum(r.status is AuditStatus.PASSED for r in results)
    failed = sum(r.status is AuditStatus.FAILED for r in results)
    return AuditProof(passed=passed, failed=failed)


def count_activation(session: Session, settings: Settings, project: Project) -> ActivationProof:
    """Set mart, ledger and CRM against each other."""
    sync = find_sync(project, None)
    wanted = session.query(f"SELECT count(*) AS n FROM {sync.model}")["n"][0].as_py()  # noqa: S608 - checked name
    with open_store(settings.postgres, sync.name) as store:
        ledger = len(store.ledger())
    url = settings.variables["crm_url"].get_secret_value()
    stats = _get(f"{url}/v1/stats", token=settings.variables["crm_token"].get_secret_value())
    return ActivationProof(sync=sync.name, wanted=wanted, ledger=ledger, destination=stats["contacts"])


def count_coordinates(session: Session, settings: Settings, stream: str) -> tuple[int, int, int]:
    """Return (landed, quarantined, repeats of a coordinate over both)."""
    raw = TableName(schema=settings.landing.raw_schema, name=stream)
    quarantine = TableName(schema=settings.landing.quarantine_schema, name=stream)
    section = "coordinates" if load_table(session.catalog, quarantine) is not None else "coordinates_of_good"
    text = read_sections("app.demo", "count.sql")[section].format(
        raw=raw.quoted, quarantine=quarantine.quoted
    )
    row = session.query(text).to_pylist()[0]
    return row["landed"], row["quarantined"], row["duplicates"]


def _get(url: str, *, token: str) -> Any:
    """Ask a source system; it meets a fault now and then, so a few tries."""
    transport = httpx.HTTPTransport(retries=2)
    with httpx.Client(
        transport=transport, headers={"Authorization": f"Bearer {token}"}, timeout=10
    ) as client:
        for _ in range(8):
            response = client.get(url)
            if response.is_success:
                return response.json()
    raise TerminalError(f"{url} answers {response.status_code}", hint="lake status")

"""Deployed versions of contracts, with the schema that each put into the registry."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from lake.errors import ConflictError, UnavailableError
from lake.postgres import connect, read_sections
from lake.settings import PostgresSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRecord:
    """The schema of a version; `version` counts the different schemas of the subject from 1."""

    subject: str
    version: int
    id: int
    type: str  # AVRO, JSON or PROTOBUF
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRecord:
    """One deployed version; `document` is its file, `schema` None for extracts."""

    stream: str
    version: str
    digest: str
    document: str
    schema: SchemaRecord | None
    actor: str
    deployed_at: datetime


def record_contract(
    settings: PostgresSettings,
    *,
    stream: str,
    version: str,
    digest: str,
    document: str,
    subject: str = "",
    schema_id: int | None = None,
    schema_type: str | None = None,
    schema_text: str | None = None,
    actor: str | None = None,
) -> None:
    """Write down a deployed version; repeating it changes nothing.

    Raises ConflictError when the version is there already with another digest.
    """
    sections = _sections()
    with connect(settings) as connection:
        connection.execute(sections["lock_subject"], {"subject": subject or stream})
        connection.execute(
            sections["record_version"],
            {
                "stream": stream,
                "version": version,
                "digest": digest,
                "document": document,
                "subject": subject,
                "schema_id": schema_id,
                "schema_type": schema_type,
                "schema_text": schema_text,
                "actor": actor or getpass.getuser(),
            },
        )
        found = connection.execute(sections["digest_of"], {"stream": stream, "version": version}).fetchone()
    if found is None or found["digest"] != digest:
        raise ConflictError(
            f"{stream} {version} was deployed before and said something else",
            hint="raise the version in the contract; then lake contract check",
        )


def read_contracts(
    settings: PostgresSettings, streams: Sequence[str] | None = None
) -> tuple[ContractRecord, ...]:
    """Return the deployed versions, of some streams or all, by stream and then oldest first."""
    with connect(settings) as connection:
        known = connection.execute(_sections()["has_versions"]).fetchone()
        if known is None or known["found"] is None:
            raise UnavailableError(
                "postgres", "its control schema is older than this lakemesh", hint="lake up"
            )
        if streams is None:
            rows = connection.execute(_sections()["all_versions"]).fetchall()
        else:
            rows = connection.execute(_sections()["versions_of"], {"streams": list(streams)}).fetchall()
    return tuple(
        ContractRecord(
            stream=row["stream"],
            version=row["version"],
            digest=row["digest"],
            document=row["document"],
            schema=SchemaRecord(
                subject=row["subject"],
                version=row["subject_version"],
                id=row["schema_id"],
                type=row["schema_type"],
                text=row["schema_text"],
            )
            if row["subject"]
            else None,
            actor=row["actor"],
            deployed_at=row["deployed_at"],
        )
        for row in rows
    )


def _sections() -> dict[str, LiteralString]:
    return read_sections("lake.control", "contracts.sql")

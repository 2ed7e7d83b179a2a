"""Decide that records never land; they stay in quarantine with the reason."""

from __future__ import annotations

from hashlib import sha256

import pyarrow as pa

from ingest.quarantine.cause import Cause
from ingest.quarantine.reading import QuarantineReader
from ingest.quarantine.resolutions import Action, Resolution, resolve
from lake.catalog import load_table
from lake.clock import Clock, Deadline
from lake.errors import HistoryError
from lake.types import TableName


def discard(reader: QuarantineReader, cause: Cause, *, reason: str, actor: str, clock: Clock) -> int:
    """Mark the open records of a cause as discarded and return how many; repeating it finds none.

    A record that a replay lands at the same moment counts as replayed.
    """
    landing, catalog = reader.settings.landing, reader.session.catalog
    raw = load_table(catalog, TableName(schema=landing.raw_schema, name=cause.stream))
    if raw is None:
        raise HistoryError(
            f"{cause.stream} has a quarantine but no table {landing.raw_schema}.{cause.stream}",
            hint=f"lake ingest run {cause.stream}",
        )
    records = reader.open_records(cause.stream, cause)
    if records.num_rows:
        resolution = Resolution(
            id=_name(records),
            stream=cause.stream,
            action=Action.DISCARDED,
            table_uuid=raw.uuid,
            reason=reason,
            actor=actor,
            at=clock.now(),
            records=records,
        )
        resolve(
            catalog, landing.quarantine_schema, resolution, Deadline.after(landing.deadline_seconds, clock)
        )
    return int(records.num_rows)


def _name(records: pa.Table) -> str:
    digest = sha256()
    for column in records.columns:
        digest.update(str(column.to_pylist()).encode())
    return digest.hexdigest()[:24]

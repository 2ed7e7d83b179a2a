"""Read quarantines as people ask for them: by cause, with what became of the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ingest.quarantine.cause import Cause
from ingest.quarantine.pending import COORDINATES, read_pending
from ingest.quarantine.resolutions import KEYS, RESOLVED, read_resolved
from ingest.quarantine.table import RESERVED
from lake.catalog import list_tables, load_table
from lake.errors import BadInputError, HistoryError
from lake.mesh.engine import mapped_engine
from lake.mesh.session import Session, open_session
from lake.postgres import read_sections
from lake.settings import Settings
from lake.types import Offset, Partition, TableName

_OPEN = pa.schema([*(RESOLVED.field(name) for name in KEYS), pa.field("bytes", pa.int64())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """Where a record came from."""

    source: str
    partition: Partition
    offset: Offset

    def __str__(self) -> str:
        return f"{self.source}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSummary:
    """All records of one cause; a record with several causes counts in each.

    `alone` are the open ones that nothing else holds back. `example` is the newest of all.
    """

    cause: Cause
    records: int
    open: int
    alone: int
    replayed: int
    discarded: int
    first_seen: datetime
    last_seen: datetime
    versions: tuple[str, ...]
    example: Coordinate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One record as quarantine keeps it, with what became of it; `rules` are (rule, path, message)."""

    coordinate: Coordinate
    key: bytes | None
    value: bytes | None
    produced_at: datetime | None
    first_seen: datetime
    contract_version: str
    rules: tuple[tuple[str, str, str], ...]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReader:
    """Reads with DuckDB, which spills what doesn't fit into memory; changes nothing."""

    settings: Settings
    session: Session

    def streams(self, wanted: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the streams that have a quarantine; raises BadInputError for one that has none."""
        found = list_tables(self.session.catalog, self.settings.landing.quarantine_schema)
        names = tuple(table.name for table in found if table.name not in RESERVED)
        if unknown := [stream for stream in wanted if stream not in names]:
            raise BadInputError(
                f"{', '.join(unknown)}: no quarantine of that stream",
                hint=f"use {', '.join(names) or 'none'}",
            )
        return tuple(wanted) or names

    def causes(self, stream: str) -> tuple[CauseSummary, ...]:
        """Return the causes of one stream, the one with most open records first."""
        return tuple(
            CauseSummary(
                cause=Cause(stream=stream, rule=row.pop("rule"), path=row.pop("path")),
                versions=tuple(row.pop("versions")),
                example=Coordinate(**row.pop("example")),
                **row,
            )
            for row in self._query("causes", stream, {}).to_pylist()
        )

    def open_records(self, stream: str, cause: Cause | None = None) -> pa.Table:
        """Return the open records, of one cause or all, in order of coordinate.

        Columns: source, partition, offset, first_seen and `bytes`, the length of the value.
        """
        return self._query("open_records", stream, _named(cause)).cast(_OPEN)

    def contents(self, stream: str, records: pa.Table) -> pa.Table:
        """Return the rows of quarantine for these open records of one source and partition, by offset.

        Columns: offset, first_seen, key, value, produced_at, reason, idempotency_key.
        """
        sections = read_sections("ingest.quarantine", "reading.sql")
        table = TableName(schema=self.settings.landing.quarantine_schema, name=stream)
        where = {
            "source": records.column("source")[0].as_py(),
            "partition": records.column("partition")[0].as_py(),
            "low": records.column("offset")[0].as_py(),
            "high": records.column("offset")[-1].as_py(),
        }
        with mapped_engine(self.settings, f"read {table}"):
            self.session.connection.register("wanted", records.select(["offset", "first_seen"]))
            text = sections["contents"].format(quarantine=table.quoted)
            found = self.session.connection.execute(text, where).to_arrow_table()
        if found.num_rows != records.num_rows:
            raise HistoryError(
                f"{table} changed while it was read: {found.num_rows} of {records.num_rows} records found",
                hint="run the command again",
            )
        return found

    def sample(self, stream: str, cause: Cause | None, *, limit: int) -> tuple[Rejected, ...]:
        """Return records, newest first."""
        rows = self._query("sample", stream, {**_named(cause), "limit": limit}).to_pylist()
        return tuple(
            Rejected(
                coordinate=Coordinate(
                    source=row.pop("source"), partition=row.pop("partition"), offset=row.pop("offset")
                ),
                rules=tuple((r["rule"], r["path"], r["message"]) for r in row.pop("rules")),
                **row,
            )
            for row in rows
        )

    def _query(self, section: str, stream: str, parameters: dict[str, Any]) -> pa.Table:
        sections = read_sections("ingest.quarantine", "reading.sql")
        landing, connection = self.settings.landing, self.session.connection
        table = TableName(schema=landing.quarantine_schema, name=stream)
        resolved, pending = self._outcomes(stream)
        text = sections[section].format(
            records=sections["records_of"].format(quarantine=table.quoted),
            state=sections["state_of"],
            causes=sections["causes_of"],
        )
        with mapped_engine(self.settings, f"read {table}"):
            connection.register("resolved", resolved)
            connection.register("pending", pending)
            return connection.execute(text, parameters).to_arrow_table()

    def _outcomes(self, stream: str) -> tuple[pa.Table, pa.Table]:
        """Return what is recorded as resolved, and what landed by replay and is not recorded yet."""
        landing, catalog = self.settings.landing, self.session.catalog
        raw = load_table(catalog, TableName(schema=landing.raw_schema, name=stream))
        if raw is None:
            return RESOLVED.empty_table(), COORDINATES.empty_table()
        pending = pa.concat_tables(
            [COORDINATES.empty_table(), *(p.records for p in read_pending(raw).values())]
        )
        return read_resolved(catalog, landing.quarantine_schema, stream, table_uuid=raw.uuid), pending


@contextmanager
def open_quarantines(settings: Settings) -> Iterator[QuarantineReader]:
    """Yield a reader; raises UnavailableError naming the service that doesn't answer."""
    with open_session(settings) as session:
        yield QuarantineReader(settings=settings, session=session)


def _named(cause: Cause | None) -> dict[str, str | None]:
    if cause is None:
        return {"rule": None, "path": None}
    return {"rule": cause.rule, "path": cause.path}

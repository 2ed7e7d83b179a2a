"""Rows of a PostgreSQL table or query as blocks, streamed through ADBC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pydantic import SecretStr

from ingest.extract.columns.records import ColumnRecords
from ingest.extract.database.definition import PostgresResource, PostgresSource
from ingest.extract.definition import fill_in
from ingest.extract.records import Block, Records
from lake.contracts import Contract
from lake.postgres.batches import Reading, stream_batches
from lake.settings import PostgresSettings, Settings
from lake.types import quote_identifier


class PostgresFeed:
    """One pass over a table: from an instant on in its order, or everything.

    The database sorts, so the cursor moves with every commit and a killed run goes on there.
    """

    complete = True
    resumed = False

    def __init__(
        self,
        source: PostgresSource,
        resource: PostgresResource,
        contract: Contract,
        settings: Settings,
        *,
        since: str | None,
    ) -> None:
        self._source = source
        self._resource = resource
        self._contract = contract
        self._since = since
        self._settings = _settings_of(source, settings)
        self.ascending = resource.incremental is not None

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in the sizes in which the driver hands them over."""
        resource = self._resource
        name = ".".join(quote_identifier(part) for part in resource.table.split("."))
        reading = Reading(
            relation=name if resource.table else f"({resource.query.rstrip().rstrip(';')}) AS rows",
            columns=self._contract.columns,
            order=resource.incremental.cursor if resource.incremental is not None else None,
            since=self._since,
            timeout_seconds=self._source.statement_timeout_seconds,
        )
        for batch in stream_batches(self._settings, reading):
            rows = pa.Table.from_batches([batch])
            yield Block(records=ColumnRecords(rows=rows, contract=self._contract, cells=True))

    def settled(
        self, since: str | None, is_known: Callable[[Records], bool], *, moved: bool
    ) -> Mapping[str, Any]:
        """Keep nothing: the cursor says it all."""
        del since, is_known, moved
        return {}


def _settings_of(source: PostgresSource, settings: Settings) -> PostgresSettings:
    def resolve(text: str) -> str:
        return fill_in(text, settings.variables, source=source.source)

    return PostgresSettings(
        host=resolve(source.host),
        port=int(resolve(source.port)),
        user=resolve(source.user),
        password=SecretStr(resolve(source.password)),
        database=resolve(source.database),
        sslmode=source.sslmode,
    )

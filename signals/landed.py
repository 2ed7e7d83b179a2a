"""Hold an interval back until its stream has been landed past it.

A model of a landed stream that runs on the clock alone closes an hour while a partition still lags,
and the late rows are never seen. `signals (landed(stream := transactions, event_time :=
transaction_timestamp))` in a model makes SQLMesh leave such an interval to a later run.
"""

from __future__ import annotations

import datetime as dt
import json
import typing as t

from sqlmesh import signal

if t.TYPE_CHECKING:
    from sqlmesh import ExecutionContext
    from sqlmesh.utils.date import DatetimeRanges

PREFIX = "ingest.event_time."


@signal()
def landed(
    batch: DatetimeRanges,
    context: ExecutionContext,
    stream: str,
    event_time: str,
    schema: str = "raw",
) -> DatetimeRanges:
    """Return the intervals that end at or before the moment up to which the stream is landed.

    That is the lowest, over the partitions, of the newest landed event time; for a partition that was
    read to its end, the time of that poll. Landing keeps both in the table's properties
    (`ingest.event_time.<partition>`); where they are missing, the rows are asked. Nothing landed: none.
    """
    closed = _by_properties(context, schema, stream)
    if closed is None:
        closed = _by_rows(context, schema, stream, event_time)
    return [(start, end) for start, end in batch if closed is not None and end <= closed]


def _by_properties(context: ExecutionContext, schema: str, stream: str) -> dt.datetime | None:
    adapter = context.engine_adapter
    source = (
        f'lake."{schema}"."{stream}$properties"'
        if adapter.dialect == "trino"
        else f'iceberg_table_properties(lake."{schema}"."{stream}")'
    )
    rows = adapter.fetchall(f"SELECT key, value FROM {source}")
    moments = [_closed(json.loads(value)) for key, value in rows if key.startswith(PREFIX)]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None


def _closed(partition: dict[str, str | None]) -> dt.datetime | None:
    moments = [partition.get("newest"), partition.get("read_to_end_at")]
    return max((dt.datetime.fromisoformat(text) for text in moments if text), default=None)


def _by_rows(context: ExecutionContext, schema: str, stream: str, event_time: str) -> dt.datetime | None:
    newest = context.engine_adapter.fetchone(
        "SELECT MIN(newest) FROM (SELECT MAX("
        f'"{event_time}") AS newest FROM lake."{schema}"."{stream}" GROUP BY meta."partition") AS partitions'
    )
    moment = newest[0] if newest else None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment

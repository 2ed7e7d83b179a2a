"""Hold an interval back until its stream has been landed past it.

A model of a landed stream that runs on the clock alone closes a day while a partition still lags,
and the late rows are never seen. `signals (landed(stream := transactions, event_time :=
transaction_timestamp))` in a model makes SQLMesh leave such an interval to a later run.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from sqlmesh import signal

if t.TYPE_CHECKING:
    from sqlmesh import ExecutionContext
    from sqlmesh.utils.date import DatetimeRanges


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
    read to its end, the time of that poll. Landing keeps both with the table, and the lake's adapter
    reads them; where landing says nothing, the rows are asked. Nothing landed: none. An engine without
    the lake (SQLMesh's own, in memory) has no landing to wait for.
    """
    ask = getattr(context.engine_adapter, "landed_up_to", None)
    if ask is None:
        return batch
    is_told, closed = ask(schema, stream)
    if not is_told:
        closed = _by_rows(context, schema, stream, event_time)
    return [(start, end) for start, end in batch if closed is not None and end <= closed]


def _by_rows(context: ExecutionContext, schema: str, stream: str, event_time: str) -> dt.datetime | None:
    newest = context.engine_adapter.fetchone(
        "SELECT MIN(newest) FROM (SELECT MAX("
        f'"{event_time}") AS newest FROM lake."{schema}"."{stream}" GROUP BY meta."partition") AS partitions'
    )
    moment = newest[0] if newest else None
    if isinstance(moment, dt.date) and not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment

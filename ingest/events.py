"""Event times of landed rows as moments."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

_MOMENT = pa.timestamp("us", tz="UTC")


def newest_event(events: pa.ChunkedArray, now: datetime) -> datetime | None:
    """Return the newest of the event times of landed rows, `now` where it lies ahead; None without any."""
    found = pc.max(as_moments(events)).as_py()
    return None if found is None else min(found.astimezone(UTC), now)


def as_moments(events: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dates and times without zone as the UTC times that they are taken for."""
    if pa.types.is_timestamp(events.type) and events.type.tz is not None:
        return events.cast(_MOMENT)
    return events.cast(pa.timestamp("us")).cast(_MOMENT)

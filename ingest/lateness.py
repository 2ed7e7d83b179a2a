"""How late records came: from their event time to the moment at which the broker got them.

Each landing commit says it of its rows, in its snapshot's summary as `ingest.lateness`, so that
`lake ingest status` can tell a source that became slow from one that landing is behind of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ingest.events import as_moments

KEY = "ingest.lateness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Seconds of the rows whose event time and arrival are known; `late` came after what is allowed."""

    rows: int
    p50: float
    p99: float
    longest: float
    late: int = 0


def measure(events: pa.ChunkedArray, arrivals: pa.ChunkedArray, allowed: timedelta | None) -> Lateness | None:
    """Return how late rows came; None when none of them has both times."""
    waited = pc.subtract(arrivals, as_moments(events)).cast(pa.int64())
    known = pc.drop_null(waited)
    if not len(known):
        return None
    middle, high, longest = pc.quantile(known, q=[0.5, 0.99, 1.0]).to_pylist()
    late = 0
    if allowed is not None:
        limit = int(allowed / timedelta(microseconds=1))
        late = pc.sum(pc.greater(known, limit).cast(pa.int64())).as_py()
    return Lateness(rows=len(known), p50=middle / 1e6, p99=high / 1e6, longest=longest / 1e6, late=late)


def to_summary(lateness: Lateness | None) -> dict[str, str]:
    """Return what a commit adds to its snapshot's summary."""
    return {} if lateness is None else {KEY: json.dumps(asdict(lateness))}


def from_summary(summary: Mapping[str, str]) -> Lateness | None:
    """Return what a snapshot says; None when it says nothing that can be read."""
    try:
        return Lateness(**json.loads(summary[KEY]))
    except (KeyError, ValueError, TypeError):
        return None

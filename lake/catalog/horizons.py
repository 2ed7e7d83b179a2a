"""Horizons: up to what time a partition has landed, kept in the table's properties beside its position.

Landing writes them (`ingest.positions` says where), signals of models read them through the engine's
adapter, so what the property means stands in this one module.

`newest` is the newest event time that has landed, never later than the commit: a record from the future
must not make what is still to come look complete. `looked` is a moment at which the partition was read to
its end: whatever was in the log by then has landed or lies in quarantine. Complete is a partition up to
the later of the two, and a stream up to the earliest of its partitions; a partition of the topic that has
neither yet is complete up to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lake.catalog.tables import TableState
from lake.errors import HistoryError
from lake.types import Partition

PREFIX = "ingest.horizon."


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """What is known of one partition; None: nothing yet."""

    newest: datetime | None = None
    looked: datetime | None = None

    @property
    def complete(self) -> datetime | None:
        """Return up to when everything of the partition has landed."""
        return max((m for m in (self.newest, self.looked) if m is not None), default=None)

    def later(self, other: Horizon) -> Horizon:
        """Return both together: neither moment ever goes back."""
        return Horizon(newest=_later(self.newest, other.newest), looked=_later(self.looked, other.looked))


def complete_up_to(horizons: Iterable[Horizon]) -> datetime | None:
    """Return up to when all partitions have landed; None as long as one of them says nothing."""
    moments = [horizon.complete for horizon in horizons]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None


def horizon_key(cluster: str, topic_id: str, partition: Partition) -> str:
    return f"{PREFIX}{cluster}/{topic_id}/{partition}"


def to_properties(
    state: TableState, cluster: str, topic_id: str, horizons: Mapping[Partition, Horizon]
) -> dict[str, str]:
    """Return the properties of a commit on top of `state` that adds what is known of these partitions."""
    known = read_horizons(state, cluster=cluster, topic_id=topic_id)
    return {
        horizon_key(cluster, topic_id, p): _text(known.get(p, Horizon()).later(horizon))
        for p, horizon in horizons.items()
    }


def read_horizons(state: TableState, *, cluster: str, topic_id: str) -> dict[Partition, Horizon]:
    """Return what a table says of the partitions of a topic; raises HistoryError when it is damaged."""
    prefix = horizon_key(cluster, topic_id, Partition(0))[:-1]
    found: dict[Partition, Horizon] = {}
    for key, text in state.properties.items():
        if key.startswith(prefix):
            found[Partition(int(key.removeprefix(prefix)))] = _parse(state, key, text)
    return found


def read_stream(state: TableState) -> tuple[Horizon, ...]:
    """Return what a table says of all partitions that ever landed in it; none where landing says nothing.

    Raises HistoryError when a property is damaged.
    """
    return tuple(_parse(state, key, text) for key, text in state.properties.items() if key.startswith(PREFIX))


def _text(horizon: Horizon) -> str:
    return json.dumps({"newest": _iso(horizon.newest), "looked": _iso(horizon.looked)})


def _parse(state: TableState, key: str, text: str) -> Horizon:
    try:
        found = json.loads(text)
        newest, looked = (
            datetime.fromisoformat(m) if (m := found[n]) else None for n in ("newest", "looked")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HistoryError(
            f"{state.name} has a damaged property {key}: {text[:200]!r}",
            hint="remove the property: the next commit sets it again",
        ) from error
    return Horizon(newest=newest, looked=looked)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((m for m in (one, other) if m is not None), default=None)

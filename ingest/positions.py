"""Positions: up to where a table holds a partition, kept in the table's own properties (design §4, step 1).

A landing commit sets `ingest.position.<cluster>/<topic id>/<partition>` to the next offset, the id of the
snapshot that it adds and that snapshot's sequence number, in the same commit as the rows. So the rows and
the position can't disagree, an expired snapshot takes no position with it, and a rollback of main shows.

Beside it `ingest.horizon.<cluster>/<topic id>/<partition>` says, for every partition of the topic that
landing has been given, up to what time it has landed (`lake.catalog.horizons`): JSON with `newest`, the
newest landed event time, and `looked`, a moment at which the partition was read to its end; ISO 8601 in
UTC, or null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from lake.catalog import NewSnapshot, TableState
from lake.errors import HistoryError
from lake.types import Offset, Partition, SnapshotId

PREFIX = "ingest.position."


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The next offset to land, and the landing snapshot up to which that is true."""

    offset: Offset
    snapshot: SnapshotId
    sequence: int
    produced_at: datetime | None = None  # of the newest record landed or refused, for lag


def property_key(cluster: str, topic_id: str, partition: Partition) -> str:
    return f"{PREFIX}{cluster}/{topic_id}/{partition}"


def to_properties(
    cluster: str,
    topic_id: str,
    offsets: Mapping[Partition, Offset],
    snapshot: NewSnapshot,
    *,
    produced: Mapping[Partition, datetime] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the properties of a commit that takes the partitions to `offsets`.

    `produced` says when the newest record of a partition was produced, where anybody knows.
    """
    return {
        property_key(cluster, topic_id, partition): json.dumps(
            {
                "offset": offset,
                "snapshot": snapshot.id,
                "sequence": snapshot.sequence,
                **({"produced_at": produced[partition].isoformat()} if partition in produced else {}),
            }
        )
        for partition, offset in offsets.items()
    }


def read_positions(state: TableState, *, cluster: str, topic_id: str) -> dict[Partition, Position]:
    """Return the positions of one topic; raises HistoryError when they are of another topic.

    A topic that was made anew under the same name has another id, and its offsets mean other records.
    """
    own: dict[Partition, Position] = {}
    for key, text in state.properties.items():
        if not key.startswith(f"{PREFIX}{cluster}/"):
            continue
        # A topic id is base64, so it may hold a slash itself.
        found_id, partition = key.removeprefix(f"{PREFIX}{cluster}/").rsplit("/", 1)
        if found_id != topic_id:
            raise HistoryError(
                f"{state.name} was landed from topic id {found_id}; the topic of that name is {topic_id} now",
                hint=f"the topic was made anew: rename or drop {state.name} and its quarantine to land it",
            )
        own[Partition(int(partition))] = _parse(state, key, text)
    return own


def _parse(state: TableState, key: str, text: str) -> Position:
    try:
        found = json.loads(text)
        return Position(
            offset=Offset(int(found["offset"])),
            snapshot=SnapshotId(int(found["snapshot"])),
            sequence=int(found["sequence"]),
            produced_at=datetime.fromisoformat(found["produced_at"]) if "produced_at" in found else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HistoryError(
            f"{state.name}: property {key} is damaged: {text!r}",
            hint="restore it from an older metadata file",
        ) from error


def check_history(state: TableState, partition: Partition, position: Position) -> None:
    """Raise HistoryError unless main descends from the snapshot that set the position."""
    if state.descends_from(position.snapshot, position.sequence):
        return
    raise HistoryError(
        f"{state.name} says that partition {partition} has landed up to offset {position.offset} in snapshot"
        f" {position.snapshot}, which is no ancestor of main ({state.main}): somebody rolled the table back",
        hint="set main to that snapshot again, or reset the positions together with the rollback",
    )


def check_log(
    topic: str, partition: Partition, position: Position | None, *, start: Offset | None, end: Offset | None
) -> None:
    """Raise HistoryError when the log no longer holds the position; None means "not known yet"."""
    if position is None:
        return
    where = f"{topic}/{partition}"
    if end is not None and position.offset > end:
        raise HistoryError(
            f"{where} ends at offset {end}, but landing stands at {position.offset}: it was cut or replaced",
            hint="lake ingest status; find out what happened to the topic before anything is landed again",
        )
    if start is not None and position.offset < start:
        raise HistoryError(
            f"{where} starts at offset {start}, but landing stands at {position.offset}:"
            f" {start - position.offset} records are gone",
            hint="lake ingest status; lengthen the topic's retention",
        )

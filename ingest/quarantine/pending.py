"""Replays that landed and are not recorded as resolutions yet: properties of the stream's table of rows.

`ingest.replay.<id>` is set in the very commit that adds the replayed rows and names their coordinates, so
that a crash right after it loses nothing: whoever comes next records them, and only then takes the property
away. `ingest.replays` stays: how many rows were replayed in all, and by which snapshot the last.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalog import NewSnapshot, TableState
from lake.errors import HistoryError
from lake.types import SnapshotId

PREFIX = "ingest.replay."
TOTAL = "ingest.replays"

COORDINATES = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One replay that is not recorded yet: who did it, why, and the coordinates of its rows."""

    actor: str
    reason: str
    records: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """All replays of a stream so far."""

    rows: int = 0
    snapshot: SnapshotId | None = None
    sequence: int = 0


def replay_id(table_uuid: str, coordinates: pa.Table) -> str:
    """Return the id of a replay: the same records into the same table always have the same."""
    return sha256(f"{table_uuid} {_encode(coordinates)}".encode()).hexdigest()[:24]


def to_properties(replay: str, pending: Pending, before: Replays, snapshot: NewSnapshot) -> dict[str, str]:
    """Return what the commit of a replay sets."""
    own = {"actor": pending.actor, "reason": pending.reason, "records": _encode(pending.records)}
    total = {
        "rows": before.rows + pending.records.num_rows,
        "snapshot": snapshot.id,
        "sequence": snapshot.sequence,
    }
    return {f"{PREFIX}{replay}": json.dumps(own), TOTAL: json.dumps(total)}


def read_pending(state: TableState) -> Mapping[str, Pending]:
    """Return each replay that is not recorded yet, by its id; raises HistoryError for a damaged one."""
    return {
        key.removeprefix(PREFIX): _decode(state, key, text)
        for key, text in sorted(state.properties.items())
        if key.startswith(PREFIX)
    }


def read_replays(state: TableState) -> Replays:
    """Return the sum of all replays; raises HistoryError when main was rolled back behind one."""
    text = state.properties.get(TOTAL)
    if text is None:
        return Replays()
    try:
        found = json.loads(text)
        replays = Replays(
            rows=int(found["rows"]),
            snapshot=SnapshotId(int(found["snapshot"])),
            sequence=int(found["sequence"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(state, TOTAL) from error
    assert replays.snapshot is not None
    if not state.descends_from(replays.snapshot, replays.sequence):
        raise HistoryError(
            f"{state.name} was rolled back behind a replay: {replays.snapshot} is no ancestor of main",
            hint="set main to that snapshot again, or reset the positions together with the rollback",
        )
    return replays


def _encode(coordinates: pa.Table) -> str:
    """Write coordinates as text: by source and partition the distances between ascending offsets."""
    groups = coordinates.group_by(["source", "partition"]).aggregate([("offset", "list")])
    packed: dict[str, dict[str, list[int]]] = {}
    for row in groups.sort_by([("source", "ascending"), ("partition", "ascending")]).to_pylist():
        offsets = sorted(row["offset_list"])
        steps = [now - before for before, now in zip([0, *offsets], offsets, strict=False)]
        packed.setdefault(row["source"], {})[str(row["partition"])] = steps
    text = json.dumps(packed, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 9)).decode()


def _decode(state: TableState, key: str, text: str) -> Pending:
    try:
        own = json.loads(text)
        packed = json.loads(zlib.decompress(base64.b64decode(own["records"], validate=True)))
        parts = [
            pa.table(
                [
                    pa.repeat(source, len(steps)),
                    pa.repeat(pa.scalar(int(partition), pa.int32()), len(steps)),
                    pc.cumulative_sum(pa.array(steps, pa.int64())),
                ],
                schema=COORDINATES,
            )
            for source, partitions in packed.items()
            for partition, steps in partitions.items()
        ]
        return Pending(
            actor=own["actor"],
            reason=own["reason"],
            records=pa.concat_tables([COORDINATES.empty_table(), *parts]),
        )
    except (ValueError, KeyError, zlib.error, AttributeError, TypeError, pa.ArrowException) as error:
        raise _damaged(state, key) from error


def _damaged(state: TableState, key: str) -> HistoryError:
    return HistoryError(
        f"{state.name}: property {key} is damaged", hint="restore it from an older metadata file"
    )

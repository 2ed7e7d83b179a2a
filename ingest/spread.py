"""How many data files a batch makes, and where to cut one that makes too many (ADR 18).

A commit writes a file for each partition of the topic and each partition of the table in it. Records of
one time lie in one or two of them; records that come months late, or with times that nobody meant, may
need one each. What is cut off is read again: the position says where the commit ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from ingest.batch import Batch, Checked
from lake.catalog import TableState
from lake.catalog.parting import first_places, most_partitions
from lake.types import Offset, Partition

_MINUTE = 60.0


def plan_cuts(starts: Mapping[Partition, Sequence[Offset]], most: int) -> dict[Partition, Offset]:
    """Return the offsets before which partitions of the topic end so that all make at most `most` files.

    `starts` are the offsets at which a file of its own begins, ascending. Each partition keeps one file at
    least; those that need few leave their share to the others.
    """
    cuts: dict[Partition, Offset] = {}
    left = most
    for number, (partition, own) in enumerate(sorted(starts.items(), key=lambda item: len(item[1]))):
        taken = max(1, min(len(own), left // (len(starts) - number)))
        left -= taken
        if taken < len(own):
            cuts[partition] = own[taken]
    return cuts


def find_cuts(
    state: TableState, parts: Mapping[Partition, Sequence[Checked]], most: int
) -> dict[Partition, Offset]:
    """Return where a batch has to be cut for its table; nearly always nowhere, which one look shows."""
    rows = {p: pa.concat_tables([c.rows for c in found]) for p, found in parts.items()}
    if sum(most_partitions(state, own) for own in rows.values()) <= most:
        return {}
    starts: dict[Partition, list[Offset]] = {}
    for partition, own in rows.items():
        offsets = pa.concat_tables([c.coordinates for c in parts[partition]]).column("offset")
        starts[partition] = [Offset(offsets[place].as_py()) for place in first_places(state, own)]
    return plan_cuts({p: own for p, own in starts.items() if own}, most)


def before(parts: Sequence[Checked], end: Offset) -> list[Checked]:
    """Return what of a partition's records comes before an offset."""
    kept = []
    for checked in parts:
        count = pc.sum(pc.less(checked.coordinates.column("offset"), end)).as_py() or 0
        kept.append(
            Checked(
                rows=checked.rows.slice(0, count),
                coordinates=checked.coordinates.slice(0, count),
                bad=tuple(record for record in checked.bad if record.offset < end),
            )
        )
    return kept


def cut_batch(batch: Batch, cuts: Mapping[Partition, Offset]) -> Batch:
    """Return a batch that ends earlier in some partitions, whose end it has not seen then."""
    return replace(
        batch,
        ranges={p: replace(own, next=cuts.get(p, own.next)) for p, own in batch.ranges.items()},
        looked={p: moment for p, moment in batch.looked.items() if p not in cuts},
    )


def commit_age(files: int, *, seconds: float, files_per_minute: int) -> float:
    """Return how old a batch gets when the commit before it made so many files.

    So a table gets no more files a minute than it may, as long as size does not ask for a commit.
    """
    return max(seconds, _MINUTE * files / files_per_minute)

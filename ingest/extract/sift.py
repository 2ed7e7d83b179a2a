"""Leave out what is landed or quarantined already and number what is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec import JsonCodec
from ingest.extract.cursor import parse_instant
from ingest.extract.judge import Judged
from ingest.extract.known import Known
from ingest.extract.quarantined import Quarantined
from ingest.quarantine import BadRecord
from lake.types import Field, Offset, Partition, Primitive

_as_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Which columns tell one record from another, make up its content, and order records."""

    resource: str
    primary: tuple[Field, ...]
    columns: tuple[str, ...]
    instant: str | None
    instant_type: Primitive


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What is new, with running numbers in the order of the source; `next` is the number after them."""

    rows: pa.Table
    offsets: pa.Int64Array
    next: int
    ops: pa.StringArray | None = None
    deletes: bool = False
    bad: tuple[BadRecord, ...] = ()

    @property
    def count(self) -> int:
        return int(self.rows.num_rows) + len(self.bad)


def sift(judged: Judged, keys: Keys, known: Known, quarantined: Quarantined, *, start: int) -> Fresh:
    """Return what neither `known` nor `quarantined` has; both have it from then on."""
    rows, good = judged.rows, judged.good
    if quarantined:
        final = pa.array(quarantined.holds(judged.records.raw(range(len(judged.records)))), pa.bool_())
        final = final.take(good)
        known.meet(rows.filter(final))
        rows, good = rows.filter(pc.invert(final)), good.filter(pc.invert(final))
    novel = known.take(rows)
    refused = judged.records.raw(judged.bad)
    _meet_refused(refused, keys, known)
    bad = {place: raw for place, raw in zip(judged.bad, refused, strict=True) if quarantined.add(raw)}
    places = pa.concat_arrays([good.take(novel.positions), pa.array(list(bad), pa.int64())])
    numbers = pc.add(_ranks(places), start)
    offsets, bad_offsets = numbers.slice(0, len(novel.positions)), numbers.slice(len(novel.positions))
    return Fresh(
        rows=rows.take(novel.positions),
        offsets=offsets,
        next=start + len(places),
        ops=novel.ops,
        bad=tuple(
            BadRecord(
                partition=Partition(0),
                offset=Offset(offset),
                key=None,
                value=raw,
                produced_at=_produced_at(raw, keys),
                failures=judged.failures[place],
            )
            for (place, raw), offset in zip(bad.items(), bad_offsets.to_pylist(), strict=True)
        ),
    )


def _ranks(places: pa.Int64Array) -> pa.Int64Array:
    """Return for each place how many lie before it."""
    return pc.array_sort_indices(pc.array_sort_indices(places)).cast(pa.int64())


def _meet_refused(raw: list[bytes], keys: Keys, known: Known) -> None:
    """Tell `known` which keys are still there although their records are bad."""
    if not raw:
        return
    rows = JsonCodec(keys.primary).decode(raw).rows.drop_null()
    known.meet(rows, unreadable=len(raw) - rows.num_rows)


def _produced_at(raw: bytes, keys: Keys) -> datetime | None:
    """Return a bad record's instant if it is a moment that can be read."""
    if keys.instant is None:
        return None
    try:
        value = msgspec.json.decode(_as_members.decode(raw)[keys.instant])
        instant = parse_instant(str(value), keys.instant_type)
    except (msgspec.DecodeError, KeyError, ValueError):
        return None
    return instant if isinstance(instant, datetime) and instant.tzinfo is not None else None


def deleted(keys: pa.Table, *, start: int) -> Fresh:
    """Return what a changelog says of keys that are gone: a row with nothing but the key."""
    count = keys.num_rows
    return Fresh(
        rows=keys,
        offsets=pa.array(range(start, start + count), pa.int64()),
        next=start + count,
        ops=pa.repeat(pa.scalar("delete"), count),
        deletes=True,
    )

"""Leave out what is landed already, and move the cursor: pure, the heart of "a second run moves nothing"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingest.extract.cursor import (
    Cursor,
    Instant,
    bytes_identity,
    instant_text,
    is_bytes_identity,
    parse_instant,
    record_identity,
)
from lake.errors import TerminalError

_as_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Which columns tell one record from another, make up its content, and order records."""

    resource: str
    primary: tuple[str, ...]
    columns: tuple[str, ...]
    instant: str
    instant_type: type  # datetime, date or int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Records of some pages after the contract check; `good` and `bad` give their places in `raw`."""

    raw: Sequence[bytes]
    rows: pa.Table  # the good ones, typed
    good: pa.Int64Array
    bad: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """What is new; offsets are the running numbers given to it."""

    rows: pa.Table
    offsets: pa.Int64Array
    bad: tuple[int, ...]  # places in `raw`
    bad_offsets: tuple[int, ...]
    cursor: Cursor
    pending: frozenset[str] = field(default=frozenset())  # quarantined before, not seen again yet

    @property
    def count(self) -> int:
        return int(self.rows.num_rows) + len(self.bad)


def sift(checked: Checked, cursor: Cursor, keys: Keys, *, pending: frozenset[str] = frozenset()) -> Sifted:
    """Return what is new after `cursor`, and the cursor after it.

    `cursor.known` must be complete (not spilled). `pending` names records whose quarantine is final
    although their batch never landed. Raises TerminalError when the API breaks its order.
    """
    high = None if cursor.since is None else parse_instant(cursor.since, keys.instant_type)
    instants = checked.rows.column(keys.instant).combine_chunks()
    _refuse_disorder(instants, high, keys)
    final = frozenset(n for n in cursor.known | cursor.loose | pending if is_bytes_identity(n))
    names = [bytes_identity(raw) for raw in checked.raw] if final else []
    good = _new_rows(checked, names, final, high, cursor, keys)
    bad = _new_bad(checked, names, final)
    rows = checked.rows if len(good) == checked.rows.num_rows else checked.rows.take(good)
    offsets = _offsets(len(checked.raw), checked.good.take(good), bad, cursor.sequence)
    seen_again = [place for place, name in enumerate(names) if name in pending]
    after = _after(cursor, high, rows, checked, bad, seen_again, keys)
    return Sifted(
        rows=rows,
        offsets=offsets.take(checked.good.take(good)),
        bad=tuple(bad),
        bad_offsets=tuple(offsets[place].as_py() for place in bad),
        cursor=after,
        pending=pending - frozenset(names),
    )


class Standing(Enum):
    """Where a bad record stands to the cursor."""

    BEHIND = "behind"  # the API is not asked for it again
    AT = "at"  # sent again until the cursor moves
    LOOSE = "loose"  # beyond the cursor, or with no readable instant: may be sent at any time


def standing(instant: Instant | None, high: Instant | None) -> Standing:
    """Compare a bad record's instant with the cursor's."""
    if instant is None or high is None or _before(high, instant):
        return Standing.LOOSE
    return Standing.AT if instant == high else Standing.BEHIND


def read_instant(raw: bytes, keys: Keys) -> Instant | None:
    """Return a record's instant if it can be read at all; bad records may have none."""
    try:
        value = msgspec.json.decode(_as_members.decode(raw)[keys.instant])
        return parse_instant(str(value), keys.instant_type)
    except (msgspec.DecodeError, KeyError, ValueError):
        return None


def identities(rows: pa.Table, keys: Keys) -> list[str]:
    """Return the identity of each row."""
    return [record_identity(row) for row in rows.select(keys.columns).to_pylist()]


def _refuse_disorder(instants: pa.Array, high: Instant | None, keys: Keys) -> None:
    if len(instants) == 0:
        return
    hint = f"the API must take {keys.instant} from a time on, inclusive, and order by it, then by key"
    if high is not None and _before(instants[0].as_py(), high):
        first = instant_text(instants[0].as_py())
        raise TerminalError(
            f"{keys.resource} sent a record of {first}, but was asked for those from {instant_text(high)} on",
            hint=hint,
        )
    if len(instants) > 1 and pc.all(pc.greater_equal(instants[1:], instants[:-1])).as_py() is False:
        raise TerminalError(
            f"{keys.resource} is not ordered by {keys.instant}: it can't be resumed", hint=hint
        )


def _before(one: Any, other: Any) -> bool:
    return bool(one < other)


def _new_rows(  # noqa: PLR0917  one step of `sift`, its arguments are its local names
    checked: Checked,
    names: Sequence[str],
    final: frozenset[str],
    high: Instant | None,
    cursor: Cursor,
    keys: Keys,
) -> pa.Int64Array:
    """Return the positions of good rows that are neither known, nor quarantined before, nor repeated."""
    rows = checked.rows
    dropped: set[int] = set()
    if final:
        dropped |= {i for i, place in enumerate(checked.good.to_pylist()) if names[place] in final}
    if high is not None and cursor.known:
        column = rows.column(keys.instant)
        ties = pc.indices_nonzero(pc.equal(column, pa.scalar(high, column.type)))
        tied = zip(ties.to_pylist(), identities(rows.take(ties), keys), strict=True)
        dropped |= {position for position, name in tied if name in cursor.known}
    dropped |= _repeated(rows, keys)
    return pa.array([i for i in range(rows.num_rows) if i not in dropped], pa.int64())


def _repeated(rows: pa.Table, keys: Keys) -> set[int]:
    """Return the positions of rows that stand there before, with the same content."""
    columns = list(dict.fromkeys((*keys.primary, keys.instant)))
    numbered = rows.select(columns).append_column("position", pa.array(range(rows.num_rows), pa.int64()))
    groups = numbered.group_by(columns).aggregate([("position", "list")])["position_list"]
    if len(groups) == rows.num_rows:
        return set()
    repeated: set[int] = set()
    for positions in groups.to_pylist():
        if len(positions) > 1:
            seen: set[str] = set()
            for position, name in zip(positions, identities(rows.take(positions), keys), strict=True):
                if name in seen:
                    repeated.add(position)
                seen.add(name)
    return repeated


def _new_bad(checked: Checked, names: Sequence[str], final: frozenset[str]) -> list[int]:
    """Return the places of bad records, each distinct one once."""
    seen, new = set(final), []
    for place in checked.bad:
        name = names[place] if names else bytes_identity(checked.raw[place])
        if name not in seen:
            seen.add(name)
            new.append(place)
    return new


def _offsets(records: int, good: pa.Int64Array, bad: Sequence[int], start: int) -> pa.Int64Array:
    """Give kept records running numbers in the order of the answer; those of others mean nothing."""
    places = pa.array(range(records), pa.int64())
    kept = pc.is_in(places, value_set=pa.chunked_array([good, pa.array(bad, pa.int64())]).combine_chunks())
    return pc.add(pc.cumulative_sum(kept.cast(pa.int64())), start - 1)


def _after(  # noqa: PLR0917  one step of `sift`, its arguments are its local names
    cursor: Cursor,
    high: Instant | None,
    rows: pa.Table,
    checked: Checked,
    bad: Sequence[int],
    final: Sequence[int],
    keys: Keys,
) -> Cursor:
    """Move to the newest good instant; bad records are known but never move the cursor."""
    newest = pc.max(rows.column(keys.instant)).as_py() if rows.num_rows else None
    moved = newest is not None and (high is None or newest > high)
    known, loose = (frozenset[str]() if moved else cursor.known), cursor.loose
    at = newest if moved else high
    if newest is not None:
        tail = rows.filter(
            pc.equal(rows.column(keys.instant), pa.scalar(at, rows.schema.field(keys.instant).type))
        )
        known |= frozenset(identities(tail, keys))
    for place in (*bad, *final):
        place_is = standing(read_instant(checked.raw[place], keys), at)
        if place_is is Standing.LOOSE:
            loose |= {bytes_identity(checked.raw[place])}
        elif place_is is Standing.AT:
            known |= {bytes_identity(checked.raw[place])}
    return replace(
        cursor,
        sequence=cursor.sequence + rows.num_rows + len(bad),
        since=None if at is None else instant_text(at),
        known=known,
        loose=loose,
        etag=None,
    )

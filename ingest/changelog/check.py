"""Decode the records of a changelog and hold them against its contract.

A record puts a row (insert, update) or deletes one. A deletion has the values of its key and no others, so
the contract's rules judge only what is put. Deletions are tombstones (records without value, by their
key) and, in mode CDC, envelopes with op d (by `before`, or their key where it lacks the primary key's
columns). A tombstone behind such an envelope deletes once more what is gone: every record is one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.changelog.keys import KEY, KeyReader
from ingest.check import ContractCheck, Split
from ingest.codec import Codec, Decoded, Failure
from ingest.codec.decoded import row_schema
from lake.catalog import arrow_type
from lake.contracts import Contract, Mode, change_field
from lake.types import Field, Primitive, Struct

INSERT, UPDATE, DELETE = "insert", "update", "delete"
OP = "op"
_PUTS = {"c": INSERT, "r": INSERT, "u": UPDATE}
_DELETION = "d"
_CHANGE = "change"


def envelope_fields(contract: Contract) -> tuple[Field, ...]:
    """Return what is read of Debezium's envelope; all of it optional, for the rules are checked here."""
    row = Struct(fields=tuple(Field(name=f.name, type=f.type) for f in contract.fields))
    return (
        Field(name="before", type=row),
        Field(name="after", type=row),
        Field(name=OP, type=Primitive.STRING),
        Field(name="ts_ms", type=Primitive.LONG),
        Field(name="source", type=Struct(fields=(Field(name="ts_ms", type=Primitive.LONG),))),
    )


class ChangelogCheck:
    """One contract, prepared once; thread-safe, no I/O."""

    def __init__(self, contract: Contract, codec: Codec, key_codec: Codec | None) -> None:
        self._contract = contract
        self._codec = codec
        self._keys = KeyReader(contract, key_codec)
        self._check = ContractCheck(contract, codec)
        self._rows = row_schema(contract.fields)
        self._schema = self._rows
        if contract.mode is Mode.CDC:
            self._change = arrow_type(change_field(contract).type)
            self._schema = self._rows.append(pa.field(_CHANGE, self._change))

    def split(self, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> Split:
        """Return the changes that good records make, in their order, and the reasons for the others."""
        there = [n for n, value in enumerate(values) if value is not None]
        gone = [n for n, value in enumerate(values) if value is None]
        found = _Changes(self._schema, self._keys, keys)
        found.delete(gone)
        decoded = self._codec.decode([values[n] for n in there])
        if self._contract.mode is Mode.CDC:
            self._envelopes(decoded, there, found)
        else:
            ops = pa.repeat(pa.scalar(UPDATE), decoded.rows.num_rows)
            places = _places(decoded, len(there))
            self._put(decoded.rows, ops, places, there, found, unread=decoded)
        return found.split()

    def _put(
        self,
        rows: pa.Table,
        ops: pa.Array,
        places: pa.Array,
        there: Sequence[int],
        found: _Changes,
        *,
        unread: Decoded | None = None,
        change: pa.Array | None = None,
    ) -> None:
        """Take the rows that are put and pass the rules; `places` are theirs among `there`."""
        bad = unread.bad if unread is not None else ()
        judged = self._check.judge(Decoded(rows=rows, indexes=places, bad=bad), len(there))
        kept = judged.places
        assert kept is not None
        missing = self._without_key(judged.rows, kept)
        failures = {n: list(own) for n, own in judged.failures.items()}
        for place, failure in missing.items():
            failures.setdefault(place, []).append(failure)
        for place, own in failures.items():
            found.refuse(there[place], tuple(own))
        chosen = pc.invert(pc.is_in(kept, pa.array(list(missing), pa.int64())))
        good, at = judged.rows.filter(chosen), kept.filter(chosen)
        own_places = pc.index_in(at, places)
        if change is not None:
            good = good.append_column(_CHANGE, change.take(own_places))
        found.put(good, ops.take(own_places), [there[n] for n in at.to_pylist()])

    def _without_key(self, rows: pa.Table, places: pa.Array) -> dict[int, Failure]:
        """Return a failure for each row that lacks a column of its primary key."""
        found: dict[int, Failure] = {}
        for name in self._contract.primary_key:
            column = rows.column(name)
            if column.null_count:
                message = f"{name} is part of the primary key and missing"
                for place in places.filter(column.is_null().combine_chunks()).to_pylist():
                    found[place] = Failure(rule=KEY, path=name, message=message)
        return found

    def _envelopes(self, decoded: Decoded, there: Sequence[int], found: _Changes) -> None:
        for row in decoded.bad:
            found.refuse(there[row.index], row.failures)
        rows, places = decoded.rows.combine_chunks(), _places(decoded, len(there))
        if not rows.num_rows:
            return
        kinds = _only(rows.column(OP))
        after, before = _only(rows.column("after")), _only(rows.column("before"))
        known = pc.is_in(kinds, pa.array([*_PUTS, _DELETION]))
        is_deletion = pc.fill_null(pc.equal(kinds, _DELETION), False)
        is_empty = pc.and_(pc.and_(known, pc.invert(is_deletion)), after.is_null())
        for mask, path, message in (
            (pc.invert(known), OP, "{op} is no insert, update or delete of a row"),
            (is_empty, "after", "op {op} comes without the row after it"),
        ):
            for n in pc.indices_nonzero(mask).to_pylist():
                failure = Failure(rule=OP, path=path, message=message.format(op=kinds[n].as_py()))
                found.refuse(there[places[n].as_py()], (failure,))
        change = self._changes(rows, before)
        puts = pc.indices_nonzero(pc.and_(pc.and_(known, pc.invert(is_deletion)), after.is_valid()))
        images = after.take(puts)
        table = pa.Table.from_arrays([images.field(n) for n in range(len(self._rows))], schema=self._rows)
        ops = pa.array([_PUTS[kind] for kind in kinds.take(puts).to_pylist()], pa.string())
        self._put(table, ops, places.take(puts), there, found, change=change.take(puts))
        gone = pc.indices_nonzero(is_deletion)
        found.delete(
            [there[n] for n in places.take(gone).to_pylist()],
            images=before.take(gone).to_pylist(),
            changes=change.take(gone).to_pylist(),
        )

    def _changes(self, rows: pa.Table, before: pa.Array) -> pa.Array:
        """Return the column `change` of all envelopes."""
        source = _only(rows.column("source"))
        inner = pc.if_else(source.is_valid(), source.field(0), pa.scalar(None, pa.int64()))
        milliseconds = pc.coalesce(inner, _only(rows.column("ts_ms")))
        usable = pc.and_(pc.greater_equal(milliseconds, 0), pc.less(milliseconds, 253_402_300_800_000))
        milliseconds = pc.if_else(usable, milliseconds, pa.scalar(None, pa.int64()))
        moments = milliseconds.cast(pa.timestamp("ms", tz="UTC")).cast(arrow_type(Primitive.TIMESTAMPTZ))
        return pa.StructArray.from_arrays(
            [moments, before.cast(self._change.field(1).type)], fields=list(self._change)
        )


class _Changes:
    """The changes of a chunk as they are found."""

    def __init__(self, schema: pa.Schema, keys: KeyReader, own_keys: Sequence[bytes | None]) -> None:
        self._schema = schema
        self._keys = keys
        self._own_keys = own_keys
        self._tables: list[pa.Table] = []
        self._ops: list[str] = []
        self._places: list[int] = []
        self._failures: dict[int, tuple[Failure, ...]] = {}

    def refuse(self, place: int, failures: tuple[Failure, ...]) -> None:
        self._failures[place] = failures

    def put(self, rows: pa.Table, ops: pa.Array, places: list[int]) -> None:
        self._tables.append(rows)
        self._ops += ops.to_pylist()
        self._places += places

    def delete(
        self,
        places: Sequence[int],
        *,
        images: Sequence[dict[str, Any] | None] | None = None,
        changes: Sequence[dict[str, Any] | None] | None = None,
    ) -> None:
        """Take deletions: by the row before where it has the whole key, else by the record's key."""
        rows: list[dict[str, Any]] = []
        for n, place in enumerate(places):
            found = self._keys.of_row(images[n] if images is not None else None)
            if found is None:
                read = self._keys.read(self._own_keys[place])
                if isinstance(read, Failure):
                    self.refuse(place, (read,))
                    continue
                found = read
            rows.append({**found, _CHANGE: changes[n]} if changes is not None else found)
            self._ops.append(DELETE)
            self._places.append(place)
        if rows:
            self._tables.append(pa.Table.from_pylist(rows, schema=self._schema))

    def split(self) -> Split:
        rows = pa.concat_tables([self._schema.empty_table(), *self._tables])
        places = pa.array(self._places, pa.int64())
        order = pc.array_sort_indices(places)
        return Split(
            rows=rows.take(order),
            places=places.take(order),
            failures=dict(sorted(self._failures.items())),
            ops=pa.array(self._ops, pa.string()).take(order),
        )


def _places(decoded: Decoded, count: int) -> pa.Array:
    return pa.array(range(count), pa.int64()) if decoded.indexes is None else decoded.indexes


def _only(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()

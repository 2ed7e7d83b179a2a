"""A batch: checked records of one stream per partition, and the offsets that they reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from types import MappingProxyType

import pyarrow as pa

from ingest.changelog import ChangelogCheck, envelope_fields
from ingest.check import ContractCheck, Split
from ingest.codec import Failure, Schemas, choose_codec, choose_key_codec
from ingest.quarantine import BadRecord
from lake.broker import IDEMPOTENCY_HEADER, Chunk, header
from lake.contracts import Contract, Mode
from lake.types import Offset, Partition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a batch does to a partition: the position it was read from (None: never landed) and the next."""

    expected: Offset | None
    next: Offset
    produced_at: datetime | None = None  # of the newest record in between, for lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Records of one partition after decoding and checking, in the order of the log.

    `rows` holds the contract's columns and `coordinates` offset, key, produced_at and idempotency_key
    of the same good records.
    """

    rows: pa.Table
    coordinates: pa.Table
    bad: tuple[BadRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything that one landing commit takes; decoding may still be under way.

    `bytes` is what its records weighed when they were read. `looked` names, for partitions that were read
    to their end, a moment by which all that was in the log is in this batch or an earlier one.
    """

    ranges: Mapping[Partition, Range]
    parts: Mapping[Partition, Sequence[Future[Checked]]]
    records: int
    bytes: int = 0
    looked: Mapping[Partition, datetime] = field(default_factory=dict)


class RecordCheck:
    """Decode and check records against one contract; thread-safe, no I/O."""

    def __init__(self, contract: Contract, schemas: Schemas) -> None:
        self._split: Callable[[Sequence[bytes | None], Sequence[bytes | None]], Split]
        fields = envelope_fields(contract) if contract.mode is Mode.CDC else None
        self._codec = choose_codec(contract, schemas, fields)
        self._keys = choose_key_codec(contract, schemas) if contract.is_changelog else None
        if contract.is_changelog:
            self._split = ChangelogCheck(contract, self._codec, self._keys).split
        else:
            plain = ContractCheck(contract, self._codec)
            self._split = lambda values, _keys: plain.split(values)

    def needs(self, chunk: Chunk) -> set[int]:
        """Return the schema ids that have to be looked up before a chunk can be checked."""
        own = self._codec.needs(chunk.values)
        return own | self._keys.needs(chunk.keys) if self._keys is not None else own

    def check(
        self,
        chunk: Chunk,
        final: frozenset[Offset] = frozenset(),
        refused: Mapping[int, Failure] = MappingProxyType({}),
    ) -> Checked:
        """Split a chunk into good rows and bad records; offsets in `final` are in quarantine already.

        Those in `refused` are bad for the reason there, and nobody looks at what they hold.
        """
        split = self._split_others(chunk, refused) if refused else self._split(chunk.values, chunk.keys)
        rows, coordinates = split.rows, _coordinates(chunk)
        if split.places is not None:
            coordinates = coordinates.take(split.places)
        if split.ops is not None:
            coordinates = coordinates.append_column("op", split.ops)
        if final:
            new = pa.array([n not in final for n in coordinates.column("offset").to_pylist()], pa.bool_())
            rows, coordinates = rows.filter(new), coordinates.filter(new)
        bad = tuple(
            _bad_record(chunk, place, failures)
            for place, failures in split.failures.items()
            if chunk.offsets[place] not in final
        )
        return Checked(rows=rows, coordinates=coordinates, bad=bad)

    def _split_others(self, chunk: Chunk, refused: Mapping[int, Failure]) -> Split:
        """Split the records of a chunk that are not refused already, and add those."""
        others = [n for n, offset in enumerate(chunk.offsets) if offset not in refused]
        split = self._split([chunk.values[n] for n in others], [chunk.keys[n] for n in others])
        kept = range(len(others)) if split.places is None else split.places.to_pylist()
        failures = {others[n]: own for n, own in split.failures.items()}
        failures |= {n: (refused[o],) for n, o in enumerate(chunk.offsets) if o in refused}
        return Split(
            rows=split.rows,
            places=pa.array([others[n] for n in kept], pa.int64()),
            failures=dict(sorted(failures.items())),
            ops=split.ops,
        )


def join_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Put chunks of one partition after each other."""
    if len(chunks) == 1:
        return chunks[0]
    return Chunk(
        shard=chunks[0].shard,
        offsets=list(chain.from_iterable(chunk.offsets for chunk in chunks)),
        keys=list(chain.from_iterable(chunk.keys for chunk in chunks)),
        values=list(chain.from_iterable(chunk.values for chunk in chunks)),
        produced=list(chain.from_iterable(chunk.produced for chunk in chunks)),
        headers=list(chain.from_iterable(chunk.headers or [None] * len(chunk) for chunk in chunks))
        if any(chunk.headers for chunk in chunks)
        else None,
    )


def _coordinates(chunk: Chunk) -> pa.Table:
    try:
        keys = pa.array(chunk.keys, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        keys = pa.array([k.decode("utf-8", "replace") if k is not None else None for k in chunk.keys])
    return pa.table(
        {
            "offset": pa.array(chunk.offsets, pa.int64()),
            "key": keys,
            "produced_at": pa.array(chunk.produced, pa.timestamp("ms", tz="UTC")).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "idempotency_key": pa.array([header(h, IDEMPOTENCY_HEADER) for h in chunk.headers], pa.string())
            if chunk.headers
            else pa.nulls(len(chunk), pa.string()),
        }
    )


def _bad_record(chunk: Chunk, place: int, failures: tuple[Failure, ...]) -> BadRecord:
    produced = chunk.produced[place]
    return BadRecord(
        partition=chunk.partition,
        offset=chunk.offsets[place],
        key=chunk.keys[place],
        value=chunk.values[place],
        produced_at=None if produced is None else _EPOCH + timedelta(milliseconds=produced),
        failures=failures,
        idempotency_key=header(chunk.headers[place], IDEMPOTENCY_HEADER) if chunk.headers else None,
    )

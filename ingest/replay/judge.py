"""Hold quarantined records against a contract again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.batch import RecordCheck
from ingest.check import ContractCheck
from ingest.codec import Failure
from ingest.extract.judge import TOLERANCE
from ingest.extract.tables import key_text
from ingest.meta import with_meta
from ingest.quarantine.cause import Cause
from ingest.schemas import SchemaDesk
from lake.broker import IDEMPOTENCY_HEADER, Chunk, Headers, Shard
from lake.clock import Clock
from lake.contracts import Contract, StreamKind
from lake.contracts.routing import ROUTE, VERSION
from lake.types import Partition

ROUTING_RULES = frozenset({ROUTE, VERSION})
_FUTURE = "future"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of records of one source and partition.

    `rows` are those that pass, with `meta` as if they had landed at first; `records` their coordinates and
    `first_seen` in the same order. `failing` counts, by cause, those that still fail.
    """

    rows: pa.Table
    records: pa.Table
    failing: Counter[Cause]


class ReplayJudge:
    """One contract, prepared once; `schemas` are those that framed records name."""

    def __init__(self, contract: Contract, clock: Clock, schemas: SchemaDesk) -> None:
        self._contract = contract
        self._schemas = schemas
        self._is_extract = contract.kind is StreamKind.EXTRACT
        self._check = None if self._is_extract else RecordCheck(contract, schemas)
        self._plain = ContractCheck(contract)  # extracts are kept as JSON, whatever they came from
        self._clock = clock

    def judge(self, records: pa.Table, contents: pa.Table) -> Verdict:
        """Decode and check; `contents` are rows of quarantine for `records`, in the same order.

        Raises UnavailableError when a schema has to be looked up and its registry doesn't answer.
        """
        source = records.column("source")[0].as_py()
        partition = Partition(records.column("partition")[0].as_py())
        held = self._held_back(contents)
        if self._check is None:
            passing = self._extracted(contents, held)
        else:
            passing = self._consumed(self._check, source, partition, contents, held)
        landed = with_meta(
            passing.rows,
            passing.coordinates,
            source=source,
            partition=partition,
            version=self._contract.version,
            landed_at=self._clock.now(),
        )
        places = pc.index_in(passing.coordinates.column("offset"), contents.column("offset"))
        return Verdict(rows=landed, records=records.take(places), failing=passing.failing)

    def _held_back(self, contents: pa.Table) -> dict[int, Failure]:
        """Return, by offset, what no contract can free: a date too far ahead, an owner that nobody is.

        Quarantine keeps no headers, so who owns a record of a shared topic can't be asked again.
        """
        latest = self._clock.now() + TOLERANCE
        held: dict[int, Failure] = {}
        for row in contents.select(["offset", "reason", "produced_at"]).to_pylist():
            ahead = row["produced_at"] is not None and row["produced_at"] > latest
            if row["reason"] in ROUTING_RULES or (row["reason"] == _FUTURE and ahead):
                held[row["offset"]] = Failure(rule=row["reason"], path="", message="")
        return held

    def _consumed(
        self,
        check: RecordCheck,
        source: str,
        partition: Partition,
        contents: pa.Table,
        held: Mapping[int, Failure],
    ) -> _Passing:
        """Check records of a topic exactly as landing does."""
        chunk = _as_chunk(source, partition, contents)
        if unknown := {n for n in check.needs(chunk) if not self._schemas.is_settled(n)}:
            self._schemas.ask(unknown).result()
        checked = check.check(chunk, refused=held)
        return _Passing(
            rows=checked.rows,
            coordinates=checked.coordinates,
            failing=Counter(self._cause(record.failures) for record in checked.bad),
        )

    def _extracted(self, contents: pa.Table, held: Mapping[int, Failure]) -> _Passing:
        """Check records of an extract; one of a changelog counts as an insert."""
        offsets = contents.column("offset").to_pylist()
        split = self._plain.split(contents.column("value").to_pylist())
        failing = Counter(self._cause(found) for found in split.failures.values())
        places = pa.array(range(len(offsets)), pa.int64()) if split.places is None else split.places
        free = pa.array([offsets[place] not in held for place in places.to_pylist()], pa.bool_())
        failing.update(
            self._cause((held[offsets[place]],)) for place in places.to_pylist() if offsets[place] in held
        )
        rows, places = split.rows.filter(free), places.filter(free)
        kept = contents.take(places)
        keys = pa.array([_as_text(key) for key in kept.column("key").to_pylist()], pa.string())
        coordinates = kept.select(["offset", "produced_at", "idempotency_key"]).append_column(
            "key", pc.coalesce(keys, key_text(self._contract, rows))
        )
        if self._contract.is_changelog:
            coordinates = coordinates.append_column("op", pa.repeat(pa.scalar("insert"), kept.num_rows))
        return _Passing(rows=rows, coordinates=coordinates, failing=failing)

    def _cause(self, failures: Sequence[Failure]) -> Cause:
        return Cause(stream=self._contract.stream, rule=failures[0].rule, path=failures[0].path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passing:
    """Good rows with their coordinates (a column `offset` among them), and why the others fail."""

    rows: pa.Table
    coordinates: pa.Table
    failing: Counter[Cause]


def _as_chunk(source: str, partition: Partition, contents: pa.Table) -> Chunk:
    """Return rows of quarantine as they were read from the log."""
    produced = contents.column("produced_at").to_pylist()
    idempotency = contents.column("idempotency_key").to_pylist()
    headers: list[Headers | None] = [
        None if key is None else [(IDEMPOTENCY_HEADER, key.encode())] for key in idempotency
    ]
    return Chunk(
        shard=Shard(source, partition),
        offsets=contents.column("offset").to_pylist(),
        keys=contents.column("key").to_pylist(),
        values=contents.column("value").to_pylist(),
        produced=[None if at is None else round(at.timestamp() * 1000) for at in produced],
        headers=headers if any(headers) else None,
    )


def _as_text(key: bytes | None) -> str | None:
    return None if key is None else key.decode("utf-8", "replace")

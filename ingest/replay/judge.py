"""Hold quarantined records against a contract again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.check import ContractCheck
from ingest.extract.judge import TOLERANCE
from ingest.extract.tables import key_text
from ingest.meta import with_meta
from ingest.quarantine.cause import Cause
from lake.clock import Clock
from lake.contracts import Contract, StreamKind
from lake.types import Partition

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
    """One contract, prepared once; no I/O."""

    def __init__(self, contract: Contract, clock: Clock) -> None:
        self._contract = contract
        self._check = ContractCheck(contract)
        self._clock = clock

    def judge(self, records: pa.Table, contents: pa.Table) -> Verdict:
        """Decode and check; `contents` are rows of quarantine for `records`, in the same order."""
        split = self._check.split(contents.column("value").to_pylist())
        failing = Counter(
            Cause(stream=self._contract.stream, rule=failure.rule, path=failure.path)
            for failures in split.failures.values()
            for failure in failures[:1]
        )
        count = contents.num_rows
        places = pa.array(range(count), pa.int64()) if split.places is None else split.places
        rows, early = split.rows, self._too_early(contents.take(places))
        if early is not None:
            rows, places = rows.filter(pc.invert(early)), places.filter(pc.invert(early))
            failing[Cause(stream=self._contract.stream, rule=_FUTURE, path="")] += pc.sum(early).as_py()
        passing = contents.take(places)
        landed = with_meta(
            rows,
            self._coordinates(rows, passing),
            source=records.column("source")[0].as_py(),
            partition=Partition(records.column("partition")[0].as_py()),
            version=self._contract.version,
            landed_at=self._clock.now(),
        )
        return Verdict(rows=landed, records=records.take(places), failing=failing)

    def _too_early(self, contents: pa.Table) -> pa.Array | None:
        """Mark what an extract refused for its date and what is still more than a day ahead."""
        if self._contract.kind is not StreamKind.EXTRACT:
            return None
        latest = pa.scalar(self._clock.now() + TOLERANCE, pa.timestamp("us", tz="UTC"))
        ahead = pc.fill_null(pc.greater(contents.column("produced_at"), latest), fill_value=False)
        early = pc.and_(ahead, pc.equal(contents.column("reason"), _FUTURE)).combine_chunks()
        return early if pc.any(early).as_py() else None

    def _coordinates(self, rows: pa.Table, passing: pa.Table) -> pa.Table:
        keys = pa.array([_as_text(key) for key in passing.column("key").to_pylist()], pa.string())
        if self._contract.kind is StreamKind.EXTRACT:
            keys = pc.coalesce(keys, key_text(self._contract, rows))
        return passing.select(["offset", "produced_at", "idempotency_key"]).append_column("key", keys)


def _as_text(key: bytes | None) -> str | None:
    return None if key is None else key.decode("utf-8", "replace")

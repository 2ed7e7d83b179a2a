"""Check the records of a block against their contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ingest.check import ContractCheck
from ingest.codec import Failure
from ingest.extract.records import Records
from lake.clock import Clock
from lake.contracts import Contract

TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Records after the check; `good` gives the places of `rows`, `failures` every broken rule by place."""

    records: Records
    rows: pa.Table  # the good ones, typed
    good: pa.Int64Array
    failures: Mapping[int, tuple[Failure, ...]]

    @property
    def bad(self) -> tuple[int, ...]:
        return tuple(self.failures)


class Judge:
    """One contract, prepared once.

    `instant` names the column that orders records, if one does. A record dated more than a day ahead is
    bad: it would take the cursor with it, and every later change would lie behind the cursor, never to be
    asked for.
    """

    def __init__(self, contract: Contract, *, instant: str | None, clock: Clock) -> None:
        self._check = ContractCheck(contract)
        self._instant = instant
        self._clock = clock

    def judge(self, records: Records) -> Judged:
        """Decode and check; the good rows keep the order of the source."""
        split = records.split(self._check)
        good = split.places if split.places is not None else pa.arange(0, len(records))
        rows, failures = split.rows, dict(split.failures)
        ahead = self._is_ahead(rows)
        if ahead is not None:
            for place in good.filter(ahead).to_pylist():
                said = "lies more than a day ahead of this machine's clock"
                failures[place] = (Failure(rule="future", path=self._instant or "", message=said),)
            rows, good = rows.filter(pc.invert(ahead)), good.filter(pc.invert(ahead))
        return Judged(
            records=records, rows=rows.combine_chunks(), good=good, failures=dict(sorted(failures.items()))
        )

    def _is_ahead(self, rows: pa.Table) -> pa.Array | None:
        """Mark the instants beyond a day from now; None when there is none, or they are plain numbers."""
        if self._instant is None or not pa.types.is_temporal(rows.schema.field(self._instant).type):
            return None
        instants = rows.column(self._instant)
        latest = pa.scalar(self._clock.now() + TOLERANCE, pa.timestamp("us", tz="UTC"))
        ahead = pc.fill_null(pc.greater(instants, latest.cast(instants.type)), fill_value=False)
        return ahead.combine_chunks() if pc.any(ahead).as_py() else None

"""Check the records of some pages against their contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ingest.check import ContractCheck
from ingest.codec import Failure
from ingest.extract.sift import Checked
from lake.clock import Clock
from lake.contracts import Contract

TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The check's result and, for each bad record by its place, every rule that it breaks."""

    checked: Checked
    failures: Mapping[int, tuple[Failure, ...]]


class Judge:
    """One contract, prepared once.

    `instant` names the column that orders records. A record dated more than a day ahead is bad: it would
    take the cursor with it, and every later change would lie behind the cursor, never to be asked for.
    """

    def __init__(self, contract: Contract, *, instant: str, clock: Clock) -> None:
        self._check = ContractCheck(contract)
        self._instant = instant
        self._clock = clock

    def judge(self, raw: Sequence[bytes]) -> Judged:
        """Decode and check; the good rows keep the order of the answer."""
        split = self._check.split(raw)
        good = split.places if split.places is not None else pa.array(range(len(raw)), pa.int64())
        rows, failures = split.rows, dict(split.failures)
        ahead = self._is_ahead(rows.column(self._instant))
        if ahead is not None:
            for place in good.filter(ahead).to_pylist():
                said = "lies more than a day ahead of this machine's clock"
                failures[place] = (Failure(rule="future", path=self._instant, message=said),)
            rows, good = rows.filter(pc.invert(ahead)), good.filter(pc.invert(ahead))
        failures = dict(sorted(failures.items()))
        checked = Checked(raw=raw, rows=rows.combine_chunks(), good=good, bad=tuple(failures))
        return Judged(checked=checked, failures=failures)

    def _is_ahead(self, instants: pa.ChunkedArray) -> pa.Array | None:
        """Mark the instants beyond a day from now; None when there is none, or they are plain numbers."""
        if not pa.types.is_temporal(instants.type):
            return None
        latest = pa.scalar(self._clock.now() + TOLERANCE, pa.timestamp("us", tz="UTC"))
        ahead = pc.fill_null(pc.greater(instants, latest.cast(instants.type)), fill_value=False)
        return ahead.combine_chunks() if pc.any(ahead).as_py() else None

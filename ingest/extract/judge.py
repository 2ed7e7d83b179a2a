"""Check the records of some pages against their contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ingest.check import ContractCheck
from ingest.codec import Failure
from ingest.extract.sift import Checked
from lake.contracts import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The check's result and, for each bad record by its place, every rule that it breaks."""

    checked: Checked
    failures: Mapping[int, tuple[Failure, ...]]


class Judge:
    """One contract, prepared once."""

    def __init__(self, contract: Contract) -> None:
        self._check = ContractCheck(contract)

    def judge(self, raw: Sequence[bytes]) -> Judged:
        """Decode and check; the good rows keep the order of the answer."""
        split = self._check.split(raw)
        good = split.places if split.places is not None else pa.array(range(len(raw)), pa.int64())
        checked = Checked(raw=raw, rows=split.rows.combine_chunks(), good=good, bad=tuple(split.failures))
        return Judged(checked=checked, failures=split.failures)

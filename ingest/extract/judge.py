"""Check the records of some pages against their contract, with the codec and the rules of landing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ingest.check import RuleCheck
from ingest.codec import Failure, JsonCodec
from ingest.extract.sift import Checked
from lake.contracts import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The check's result and, for each bad record by its place, every rule that it breaks."""

    checked: Checked
    failures: dict[int, tuple[Failure, ...]]


class Judge:
    """One contract, prepared once."""

    def __init__(self, contract: Contract) -> None:
        self._codec = JsonCodec(contract.fields)
        self._rules = RuleCheck(contract)

    def judge(self, raw: Sequence[bytes]) -> Judged:
        """Decode and check; the good rows keep the order of the answer."""
        decoded = self._codec.decode(raw)
        places = list(range(len(raw))) if decoded.indexes is None else decoded.indexes.to_pylist()
        failures: dict[int, tuple[Failure, ...]] = {}
        for bad in decoded.bad:
            unread = frozenset(failure.path for failure in bad.failures)
            further = () if "" in unread else self._rules.failing_rules(bad.values, unread=unread)
            failures[bad.index] = (*bad.failures, *further)
        broken: set[int] = set()
        for position in self._rules.suspects(decoded.rows):
            values = decoded.rows.slice(position, 1).to_pylist()[0]
            if found := self._rules.failing_rules(values):
                broken.add(position)
                failures[places[position]] = found
        count = decoded.rows.num_rows
        kept = pa.array([position for position in range(count) if position not in broken], pa.int64())
        rows = decoded.rows.take(kept) if broken else decoded.rows
        checked = Checked(
            raw=raw,
            rows=rows.combine_chunks(),
            good=pa.array(places, pa.int64()).take(kept),
            bad=tuple(sorted(failures)),
        )
        return Judged(checked=checked, failures=failures)

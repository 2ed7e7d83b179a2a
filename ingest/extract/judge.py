"""Check the records of some pages against their contract, with the codec that landing uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec import BadRow, Failure, JsonCodec
from ingest.extract.sift import Checked
from lake.contracts import Contract
from lake.contracts.checks import bad_rows, explain, find_violations
from lake.contracts.values import broken_rules, member, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The check's result and, for each bad record by its place, every rule that it breaks."""

    checked: Checked
    failures: dict[int, tuple[Failure, ...]]


class Judge:
    """One contract, prepared once."""

    def __init__(self, contract: Contract) -> None:
        self._codec = JsonCodec(contract.fields)
        self._rules = contract.rules

    def judge(self, raw: Sequence[bytes]) -> Judged:
        """Decode and check; the good rows keep the order of the answer."""
        decoded = self._codec.decode(raw)
        rows = decoded.rows
        places = decoded.indexes if decoded.indexes is not None else pa.array(range(len(raw)), pa.int64())
        failures = {bad.index: (*bad.failures, *self._further(bad)) for bad in decoded.bad}
        if violations := find_violations(rows, self._rules):
            for breach in explain(rows, violations):
                found = Failure(rule=breach.rule, path=breach.path, message=breach.message)
                place = places[breach.row].as_py()
                failures[place] = (*failures.get(place, ()), found)
            good = pc.invert(bad_rows(violations, rows.num_rows))
            rows, places = rows.filter(good), places.filter(good)
        checked = Checked(raw=raw, rows=rows.combine_chunks(), good=places, bad=tuple(sorted(failures)))
        return Judged(checked=checked, failures=failures)

    def _further(self, bad: BadRow) -> tuple[Failure, ...]:
        """Return the rules that the readable members of an unreadable record break."""
        unread = frozenset(failure.path for failure in bad.failures)
        if "" in unread:
            return ()
        return tuple(
            Failure(rule=rule.name, path=rule.path, message=message(rule, member(bad.values, rule.path)[1]))
            for rule in broken_rules(bad.values, self._rules, unread=unread)
        )

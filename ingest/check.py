"""Decode records and hold them against their contract; topics and extracts share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec import BadRow, Codec, Decoded, Failure, JsonCodec
from lake.contracts import Contract
from lake.contracts.checks import bad_rows, explain, find_violations
from lake.contracts.values import broken_rules, member, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Records cut into good and bad ones; a place is a record's position among those given.

    `rows` are the good ones in order, `places` theirs (None: all are good). `failures` tells by place,
    ascending, every reason why a record is bad.
    """

    rows: pa.Table
    places: pa.Int64Array | None
    failures: Mapping[int, tuple[Failure, ...]]
    ops: pa.StringArray | None = None  # of the good ones in a changelog


class ContractCheck:
    """One contract, prepared once; thread-safe, no I/O."""

    def __init__(self, contract: Contract, codec: Codec | None = None) -> None:
        """Prepare; without a codec records are JSON, as they come from everywhere but a topic."""
        self._codec = codec or JsonCodec(contract.fields)
        self._rules = contract.rules

    def split(self, records: Sequence[bytes | None]) -> Split:
        """Decode all records, check those that can be read, and the readable members of the others."""
        return self.judge(self._codec.decode(records), len(records))

    def judge(self, decoded: Decoded, count: int) -> Split:
        """Hold decoded records against the rules; `count` is how many there were."""
        rows, places = decoded.rows, decoded.indexes
        failures = {row.index: (*row.failures, *self._further(row)) for row in decoded.bad}
        if violations := find_violations(rows, self._rules):
            places = pa.array(range(count), pa.int64()) if places is None else places
            for breach in explain(rows, violations):
                found = Failure(rule=breach.rule, path=breach.path, message=breach.message)
                place = places[breach.row].as_py()
                failures[place] = (*failures.get(place, ()), found)
            good = pc.invert(bad_rows(violations, rows.num_rows))
            rows, places = rows.filter(good), places.filter(good)
        return Split(rows=rows, places=places, failures=dict(sorted(failures.items())))

    def _further(self, row: BadRow) -> tuple[Failure, ...]:
        """Return the rules that the readable members of an unreadable record break."""
        unread = frozenset(failure.path for failure in row.failures)
        if "" in unread:
            return ()
        return tuple(
            Failure(rule=rule.name, path=rule.path, message=message(rule, member(row.values, rule.path)[1]))
            for rule in broken_rules(row.values, self._rules, unread=unread)
        )

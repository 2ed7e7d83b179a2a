"""The tables of one resource in memory: commits that can be killed at each of their steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.extract.cursor import Cursor
from ingest.extract.quarantined import Quarantined
from ingest.quarantine import BadRecord
from tests.fakes.killed import KilledError


@dataclass
class MemoryTables:
    """Keeps what lands; `kill_at` ends a run at that step: three to a commit, counted from 0."""

    landed: list[pa.Table] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)
    cursor: str = Cursor().to_json()
    reached: int = 0
    commits: int = 0
    kill_at: int | None = None
    steps: int = 0

    def begin(self) -> None:
        """No breaker here."""

    @property
    def stored(self) -> Cursor:
        return Cursor.from_json(self.cursor, table="memory")

    @property
    def next_number(self) -> int:
        return max(self.stored.sequence, self.reached)

    def rows(
        self, columns: Sequence[str], *, at_least: Mapping[str, str | int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        for table in self.landed:
            found = table
            for name in columns:
                if name not in table.column_names:  # of a deletion
                    found = found.append_column(name, pa.nulls(table.num_rows, self._type(name)))
            for name, value in (at_least or {}).items():
                bound = pa.scalar(value).cast(table.schema.field(name).type)
                found = found.filter(pc.greater_equal(found.column(name), bound))
            yield from found.select([*columns, "meta"]).to_batches()

    def quarantined(self) -> Quarantined:
        return Quarantined(record.value for record in self.bad)

    def land(self, good: pa.Table, bad: Sequence[BadRecord], after: Cursor) -> None:
        self._step()
        if bad:
            self.bad += bad
            self.reached = after.sequence
        self._step()
        self.landed.append(good)
        self.cursor = after.to_json()
        self.commits += 1
        self._step()

    def content(self) -> list[dict[str, Any]]:
        """Return all rows in the order of landing."""
        return [row for table in self.landed for row in table.to_pylist()]

    def coordinates(self) -> list[int]:
        good = [row["meta"]["offset"] for row in self.content()]
        return [*good, *(record.offset for record in self.bad)]

    def _type(self, column: str) -> pa.DataType:
        return next(t.schema.field(column).type for t in self.landed if column in t.column_names)

    def _step(self) -> None:
        if self.steps == self.kill_at:
            raise KilledError
        self.steps += 1

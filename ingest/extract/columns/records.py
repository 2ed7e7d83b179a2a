"""Records as columns, for the run of any source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ingest.check import ContractCheck, Split
from ingest.codec.decoded import row_schema
from ingest.extract.columns.fit import fit_column
from ingest.extract.columns.render import render_rows
from lake.contracts import Contract
from lake.contracts.checks import bad_rows, find_violations


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRecords:
    """Rows of a file or a query, with the types that they came with.

    `cells` says that texts are cells of a CSV file, `zone` is that of times that have none.
    """

    rows: pa.Table
    contract: Contract
    cells: bool = False
    zone: str = ""
    numbers: pa.Int64Array | None = field(default=None)  # of the rows in their file

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def split(self, check: ContractCheck) -> Split:
        """Convert and check whole columns; rows that are suspect go through JSON."""
        rows, suspects = self._fit()
        if violations := find_violations(rows, self.contract.rules):
            bad = bad_rows(violations, rows.num_rows)
            suspects = bad if suspects is None else pc.or_(suspects, bad)
        if suspects is None:
            return Split(rows=rows, places=None, failures={})
        places = pc.indices_nonzero(suspects).cast(pa.int64())
        slow = check.split(self.raw(places.to_pylist()))
        cleared = places if slow.places is None else places.take(slow.places)
        clear = pc.invert(suspects)
        good = pa.concat_arrays([pc.indices_nonzero(clear).cast(pa.int64()), cleared])
        order = pc.array_sort_indices(good)
        found = places.to_pylist()
        return Split(
            rows=pa.concat_tables([rows.filter(clear), slow.rows]).take(order),
            places=good.take(order),
            failures={found[place]: failures for place, failures in slow.failures.items()},
        )

    def raw(self, places: Sequence[int]) -> list[bytes]:
        chosen = self.rows.take(pa.array(places, pa.int64()))
        return render_rows(chosen, self.contract.fields, cells=self.cells, zone=self.zone)

    def joined(self, others: Sequence[ColumnRecords]) -> ColumnRecords:
        rows = pa.concat_tables([self.rows, *(other.rows for other in others)], promote_options="default")
        return replace(self, rows=rows)

    def _fit(self) -> tuple[pa.Table, pa.BooleanArray | None]:
        columns: list[pa.Array] = []
        suspects: pa.BooleanArray | None = None
        schema = row_schema(self.contract.fields)
        for wanted in self.contract.fields:
            if wanted.name not in self.rows.column_names:
                columns.append(pa.nulls(len(self), schema.field(wanted.name).type))
                continue
            column = self.rows.column(wanted.name).combine_chunks()
            values, mask = fit_column(column, wanted.type, cells=self.cells, zone=self.zone)
            columns.append(values)
            if mask is not None:
                suspects = mask if suspects is None else pc.or_(suspects, mask)
        return pa.Table.from_arrays(columns, schema=schema), suspects

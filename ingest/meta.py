"""The struct column that says where each landed row came from."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from lake.catalog import arrow_type
from lake.contracts import META
from lake.types import Partition


def with_meta(
    rows: pa.Table,
    coordinates: pa.Table,
    *,
    source: str,
    partition: Partition,
    version: str,
    landed_at: datetime,
) -> pa.Table:
    """Return the rows with `meta`: its members from `coordinates` by name, null where there is no column.

    Source, partition, version of the contract and time of landing are the same for all rows.
    """
    count = rows.num_rows
    constants = {
        "source": source,
        "partition": partition,
        "landed_at": landed_at,
        "schema_version": version,
    }
    kind = arrow_type(META.type)
    members = []
    for member in kind:
        if member.name in constants:
            members.append(pa.repeat(pa.scalar(constants[member.name], member.type), count))
        elif member.name in coordinates.column_names:
            members.append(coordinates.column(member.name).cast(member.type).combine_chunks())
        else:
            members.append(pa.nulls(count, member.type))
    return rows.append_column(META.name, pa.StructArray.from_arrays(members, fields=list(kind)))

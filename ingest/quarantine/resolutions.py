"""What became of quarantined records: a table to which resolutions are only appended.

A record is `open` until it is resolved. It is known by its coordinate and `first_seen`, so that a quarantine
that was dropped and landed anew begins open, and a resolution holds only for the table of rows (`table_uuid`)
into which it was replayed. Appending is once per id: the commit is compared with main, and after a conflict
the table is asked again whether the id is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from ingest.quarantine.table import RESOLUTIONS
from ingest.quarantine.view import refresh_view
from lake.catalog import (
    Conflict,
    LakeCatalog,
    PartitionField,
    TableSpec,
    TableState,
    commit,
    ensure_table,
    load_table,
    write_files,
)
from lake.catalog.scan import read_rows
from lake.clock import Deadline
from lake.log import get_logger
from lake.types import Field, Primitive, TableName

log = get_logger("quarantine")

KEYS = ("source", "partition", "offset", "first_seen")
_RETAINED = 20

FIELDS: tuple[Field, ...] = (
    Field(name="stream", type=Primitive.STRING, description="Whose quarantine holds the record."),
    Field(name="source", type=Primitive.STRING, description="Topic, or source.resource of an extract."),
    Field(name="partition", type=Primitive.INT, description="Partition of the topic; 0 for extracts."),
    Field(name="offset", type=Primitive.LONG, description="Offset in the partition, or number."),
    Field(name="first_seen", type=Primitive.TIMESTAMPTZ, description="When landing first met the record."),
    Field(name="action", type=Primitive.STRING, description="replayed or discarded."),
    Field(name="id", type=Primitive.STRING, description="The replay or discard that it belongs to."),
    Field(name="table_uuid", type=Primitive.STRING, description="The stream's table of rows, then."),
    Field(name="reason", type=Primitive.STRING, description="Why."),
    Field(name="actor", type=Primitive.STRING, description="Who."),
    Field(name="resolved_at", type=Primitive.TIMESTAMPTZ, description="When it was recorded."),
)

RESOLVED = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("first_seen", pa.timestamp("us", tz="UTC")),
        pa.field("action", pa.string()),
    ]
)


class Action(StrEnum):
    """What became of a record; the later one in the alphabet wins where both stand."""

    DISCARDED = "discarded"  # somebody decided that it never lands
    REPLAYED = "replayed"  # it landed after all


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """One act on records of one stream; `records` has the columns of KEYS."""

    id: str
    stream: str
    action: Action
    table_uuid: str
    reason: str
    actor: str
    at: datetime
    records: pa.Table


def open_resolutions(catalog: LakeCatalog, schema: str) -> TableState:
    """Return the table, created when it is missing; then the view over all quarantines shows it."""
    name = TableName(schema=schema, name=RESOLUTIONS)
    if (present := load_table(catalog, name)) is not None:
        return present
    state = ensure_table(
        catalog,
        TableSpec(
            name=name,
            fields=FIELDS,
            partition=(PartitionField(column="stream", transform="identity"),),
            description="What became of quarantined records.",
        ),
    )
    refresh_view(catalog, schema)
    return state


def resolve(catalog: LakeCatalog, schema: str, resolution: Resolution, deadline: Deadline) -> bool:
    """Append a resolution; False when its id is there already. Raises what `lake.catalog.commit` raises."""
    state = open_resolutions(catalog, schema)
    files = None
    while True:
        if _has(state, resolution):
            return False
        files = files or write_files(state, _rows(resolution))
        outcome = commit(catalog, state, files=files, properties={}, deadline=deadline, retain=_RETAINED)
        if not isinstance(outcome, Conflict):
            log.info(
                "records.resolved",
                stream=resolution.stream,
                action=resolution.action.value,
                records=resolution.records.num_rows,
            )
            return True
        state = outcome.state


def read_resolved(
    catalog: LakeCatalog,
    schema: str,
    stream: str,
    *,
    table_uuid: str,
    offsets: tuple[int, int] | None = None,
) -> pa.Table:
    """Return KEYS and `action` of every resolved record of a stream, each once.

    `offsets` asks only for those in the half-open range.
    """
    state = load_table(catalog, TableName(schema=schema, name=RESOLUTIONS))
    if state is None or state.main is None:
        return pa.table({name: [] for name in (*KEYS, "action")}, schema=RESOLVED)
    found = read_rows(
        state,
        columns=(*KEYS, "action"),
        equal={"stream": stream, "table_uuid": table_uuid},
        between={"offset": offsets} if offsets else None,
    )
    return (
        found.group_by(KEYS).aggregate([("action", "max")]).rename_columns([*KEYS, "action"]).cast(RESOLVED)
    )


def is_resolved(records: pa.Table, resolved: pa.Table) -> pa.Array:
    """Tell for each record (columns of KEYS) whether it stands in `resolved`, in the same order."""
    numbered = records.select(KEYS).append_column("place", pa.array(range(records.num_rows), pa.int64()))
    hit = numbered.join(resolved.select(KEYS), keys=list(KEYS), join_type="left semi").column("place")
    return pc.is_in(numbered.column("place"), value_set=hit.combine_chunks())


def _has(state: TableState, resolution: Resolution) -> bool:
    if state.main is None:
        return False
    found = read_rows(state, columns=("id",), equal={"stream": resolution.stream, "id": resolution.id})
    return bool(found.num_rows)


def _rows(resolution: Resolution) -> pa.Table:
    count = resolution.records.num_rows
    rows = resolution.records.select(KEYS)
    for name, value in (
        ("stream", resolution.stream),
        ("action", resolution.action.value),
        ("id", resolution.id),
        ("table_uuid", resolution.table_uuid),
        ("reason", resolution.reason),
        ("actor", resolution.actor),
    ):
        rows = rows.append_column(name, pa.repeat(value, count))
    moment = pa.scalar(resolution.at, pa.timestamp("us", tz="UTC"))
    return rows.append_column("resolved_at", pa.repeat(moment, count))

"""Where a batch is cut that would make too many files, and how many files rows make at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.spread import plan_cuts
from lake.catalog import PartitionField, TableSpec, TableState, ensure_table
from lake.catalog import tables as catalog_tables
from lake.catalog.parting import first_places, most_partitions, split_by_partition
from lake.settings import Settings
from lake.types import Field, Offset, Partition, Primitive, TableName
from tests.fakes.memory_catalog import MemoryCatalog

STARTS = st.dictionaries(
    st.integers(0, 5).map(Partition),
    st.lists(st.integers(0, 200).map(Offset), min_size=1, max_size=40, unique=True).map(sorted),
    max_size=6,
)
MOMENTS = st.lists(
    st.none() | st.datetimes(datetime(1960, 1, 1), datetime(2040, 1, 1)), min_size=1, max_size=60
)
TRANSFORMS = ("year", "month", "day", "hour", "bucket[4]", "identity", "truncate[3]")


@given(STARTS, st.integers(1, 120))
def test_a_cut_batch_makes_no_more_files_than_it_may_and_no_fewer_than_it_must(
    starts: Mapping[Partition, Sequence[Offset]], most: int
) -> None:
    """Nothing is cut when all fit; else what may be written is used up, and every partition moves on."""
    cuts = plan_cuts(starts, most)
    files = {p: sum(o < cuts.get(p, Offset(1_000)) for o in own) for p, own in starts.items()}
    total = sum(map(len, starts.values()))
    assert sum(files.values()) == min(total, max(most, len(starts)))
    assert all(count >= 1 for count in files.values())
    assert all(cuts[p] in starts[p] for p in cuts)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TableState]:
    """Give an empty table for each transform, and one that is not partitioned."""
    folder: Path = tmp_path_factory.mktemp("tables")
    catalog = MemoryCatalog(Settings(project_root=folder), folder)
    fields = (Field(name="at", type=Primitive.TIMESTAMPTZ), Field(name="n", type=Primitive.LONG))
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_tables, "exclusive", _alone)
        for number, transform in enumerate(("", *TRANSFORMS)):
            column = "n" if transform.startswith(("bucket", "identity", "truncate")) else "at"
            cut = (PartitionField(column=column, transform=transform),) if transform else ()
            name = TableName(schema="raw", name=f"t{number}")
            made[transform] = ensure_table(catalog, TableSpec(name=name, fields=fields, partition=cut))
    return made


@given(MOMENTS, st.data())
def test_the_cheap_look_never_says_fewer_partitions_than_there_are(
    states: Mapping[str, TableState], moments: list[datetime | None], data: st.DataObject
) -> None:
    """And the places of the first rows are one for each partition that is written."""
    numbers = data.draw(st.lists(st.integers(-9, 9), min_size=len(moments), max_size=len(moments)))
    rows = pa.table({
        "at": pa.array(
            [m.replace(tzinfo=UTC) if m else None for m in moments], pa.timestamp("us", tz="UTC")
        ),
        "n": pa.array(numbers, pa.int64()),
    })  # fmt: skip
    for state in states.values():
        pieces = [own for _, own in split_by_partition(state, rows)]
        places = first_places(state, rows)
        assert len(places) == len(pieces) <= most_partitions(state, rows)
        assert sorted(places) == places
        firsts = rows.take(places).to_pylist()
        assert all(piece.slice(0, 1).to_pylist()[0] in firsts for piece in pieces)


def test_rows_of_one_day_are_seen_to_make_one_or_two_files_without_counting(
    states: Mapping[str, TableState],
) -> None:
    """Else the look would cost what it saves."""
    day = datetime(2025, 3, 4, tzinfo=UTC)
    rows = pa.table({"at": [day + timedelta(minutes=n) for n in range(1000)], "n": range(1000)})
    assert most_partitions(states["day"], rows) == 1
    assert most_partitions(states["month"], rows) == 1
    assert most_partitions(states["hour"], rows) == 17
    assert most_partitions(states[""], rows) == 1
    assert most_partitions(states["day"], rows.slice(0, 0)) == 0


class _alone:  # noqa: N801  stands for a function
    """A lock that nobody else wants."""

    def __init__(self, *_arguments: object, **_options: object) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_raised: object) -> None: ...

"""Partition transforms: the values that Iceberg's specification gives."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pyarrow as pa
import pytest

from lake.catalog.transforms import partition_values
from lake.errors import ConfigurationError

HASHES = [  # appendix B of the specification: 32-bit hashes
    (pa.array([34], pa.int32()), 2017239379),
    (pa.array([34], pa.int64()), 2017239379),
    (pa.array([Decimal("14.20")], pa.decimal128(9, 2)), -500754589),
    (pa.array([date(2017, 11, 16)]), -653330422),
    (pa.array([datetime(2017, 11, 16, 22, 31, 8, tzinfo=UTC)], pa.timestamp("us", "UTC")), -2047944441),
    (pa.array(["iceberg"]), 1210000089),
    (pa.array([b"\x00\x01\x02\x03"]), -188683207),
]


@pytest.mark.parametrize(("column", "value"), HASHES, ids=lambda v: str(getattr(v, "type", v)))
def test_buckets_are_those_of_the_specification(column: pa.Array, value: int):
    """A large width shows nearly all bits of the hash; null has no bucket."""
    width = 1_000_003
    with_null = pa.concat_arrays([column, pa.nulls(1, column.type), column])

    buckets = partition_values(f"bucket[{width}]", with_null).to_pylist()

    assert buckets == [(value & 0x7FFFFFFF) % width, None, (value & 0x7FFFFFFF) % width]


def test_truncation_rounds_down_and_cuts_texts():
    """Numbers go down to a multiple, also below zero; texts keep so many characters."""
    assert partition_values("truncate[10]", pa.array([-1, 11, None])).to_pylist() == [-10, 10, None]
    assert partition_values("truncate[3]", pa.array(["iceberg", "é"])).to_pylist() == ["ice", "é"]
    money = pa.array([Decimal("10.65")], pa.decimal128(9, 2))
    assert partition_values("truncate[50]", money).to_pylist() == [Decimal("10.50")]


def test_a_transform_that_nobody_knows_is_refused():
    """The message lists what can be written."""
    with pytest.raises(ConfigurationError, match="can't write") as caught:
        partition_values("void", pa.array([str(uuid4())]))

    assert "bucket[n]" in caught.value.hint

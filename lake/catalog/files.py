"""Write data files for a table; a commit of `lake.catalog.commits` makes them part of it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from lake.catalog.encoding import choose_encodings
from lake.catalog.errors import mapped
from lake.catalog.parting import split_by_partition
from lake.catalog.schemas import file_schema
from lake.catalog.tables import TableState
from lake.errors import BadInputError

_ROW_GROUP_ROWS = 1_048_576
_PARALLEL_FILES = 2  # encoding is the work: more threads only cost memory


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """A data file in storage that no snapshot names yet."""

    path: str
    rows: int
    bytes: int
    handle: DataFile = field(repr=False, compare=False)


def write_files(state: TableState, rows: pa.Table) -> tuple[WrittenFile, ...]:
    """Write `rows` as one Parquet file per partition value of the table.

    Columns are matched by name; a missing optional one is written as null. Nothing is committed:
    files whose commit never lands stay as orphans, nothing here ever deletes a file.
    Raises BadInputError when a column can't be stored, UnavailableError when storage doesn't answer.
    """
    if rows.num_rows == 0:
        return ()
    parts = list(split_by_partition(state, fit_to_table(state, rows)))
    with ThreadPoolExecutor(_PARALLEL_FILES, "parquet") as pool:
        return tuple(pool.map(lambda part: write_file(state, part[0], [part[1]]), parts))


def fit_to_table(state: TableState, rows: pa.Table) -> pa.Table:
    """Return the rows with the table's columns, order, types and field ids."""
    schema = file_schema(state.handle.schema())
    if unknown := set(rows.column_names) - set(schema.names):
        raise BadInputError(f"{state.name} has no column {', '.join(sorted(unknown))}")
    columns = [_fit_column(state, rows, wanted) for wanted in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _fit_column(state: TableState, rows: pa.Table, wanted: pa.Field) -> pa.ChunkedArray:
    path = f"{state.name}.{wanted.name}"
    if wanted.name not in rows.column_names:
        if not wanted.nullable:
            raise BadInputError(f"{path} is required and missing in the rows")
        return pa.chunked_array([pa.nulls(rows.num_rows, wanted.type)])
    column = rows.column(wanted.name)
    if not wanted.nullable and column.null_count:
        raise BadInputError(f"{path} is required and null in {column.null_count} rows")
    try:
        return column if column.type.equals(wanted.type, check_metadata=True) else column.cast(wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInputError(f"{path}: {error}") from error


def write_file(state: TableState, record: Record, parts: Iterable[pa.Table]) -> WrittenFile:
    """Write parts that share a partition value as one file, one after the other; the first decides encodings.

    They have the table's columns already (`fit_to_table`), and there is at least one.
    """
    table, remaining = state.handle, iter(parts)
    first = next(remaining)
    name = f"{uuid4()}.parquet"
    if not table.spec().is_unpartitioned():
        name = f"{table.spec().partition_to_path(record, table.schema())}/{name}"
    path = table.location_provider().new_data_location(name)
    encodings, count = choose_encodings(first), 0
    # The name is new: asking first whether the file exists would cost a request per file.
    with (
        mapped(f"write a data file of {state.name}"),
        table.io.new_output(path).create(overwrite=True) as stream,
    ):
        with pq.ParquetWriter(
            stream,
            first.schema,
            compression=table.properties.get("write.parquet.compression-codec", "zstd"),
            compression_level=int(table.properties.get("write.parquet.compression-level", "1")),
            store_schema=False,
            store_decimal_as_integer=True,
            use_dictionary=encodings.dictionary,
            column_encoding=encodings.others or None,
        ) as writer:
            for part in chain([first], remaining):
                writer.write_table(part, row_group_size=_ROW_GROUP_ROWS)
                count += part.num_rows
        size = stream.tell()
    handle = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=record,
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **_statistics(table, writer.writer.metadata),
    )
    return WrittenFile(path=path, rows=count, bytes=size, handle=handle)


def _statistics(table: Table, written: pq.FileMetaData) -> dict[str, Any]:
    """Return counts, sizes and bounds of the columns as a manifest holds them."""
    # It loads pandas, which those who only read the catalog would wait for.
    from pyiceberg.io.pyarrow import (  # noqa: PLC0415
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )

    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=written,
        stats_columns=compute_statistics_plan(table.schema(), table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(table.schema()),
    )
    return statistics.to_serialized_dict()

"""Read a file piece by piece: records, and the number of each in the file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ingest.codec import Failure
from ingest.extract.columns.records import ColumnRecords
from ingest.extract.files.definition import CsvOptions, FilesResource
from ingest.extract.files.listing import FoundFile
from ingest.extract.records import JsonRecords, Records
from lake.contracts import Contract
from lake.errors import BadInputError, first_line

_ROWS = 131_072
_BLOCK = 8 * 1024 * 1024
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
_PACKED = {".gz", ".zst", ".bz2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some records; `broken` are lines that are no row at all, with what is wrong."""

    records: Records
    numbers: pa.Int64Array
    next: int  # number of the row after them
    broken: tuple[tuple[int, bytes, Failure], ...] = ()


def read_file(file: FoundFile, resource: FilesResource, contract: Contract, *, skip: int) -> Iterator[Piece]:
    """Yield the rows from number `skip` on; raises BadInputError when the file can't be read."""
    kind = resource.format or format_of(file.path)
    reader = {"csv": _csv, "json": _json, "parquet": _parquet}[kind]
    try:
        yield from reader(file, resource, contract, skip)
    except (
        pa.ArrowInvalid,
        pa.ArrowNotImplementedError,
        msgspec.DecodeError,
        UnicodeDecodeError,
        OSError,
    ) as error:
        raise BadInputError(
            f"{file.name} can't be read as {kind}: {first_line(error)}",
            hint="mend the file, or set format, then run again",
        ) from error


def format_of(path: str) -> str:
    """Return the format by the ending, a packed one's before the packing."""
    endings = [ending.lower() for ending in PurePath(path).suffixes]
    if endings and endings[-1] in _PACKED:
        endings.pop()
    found = _ENDINGS.get(endings[-1]) if endings else None
    if found is None:
        raise BadInputError(
            f"{path}: what format is it?", hint="end its name with .csv, .json, .ndjson or .parquet"
        )
    return found


def _expect_columns(file: FoundFile, contract: Contract, names: list[str]) -> None:
    """Refuse a file that lacks a required column: each of its rows would be bad."""
    missing = [f.name for f in contract.fields if f.required and f.name not in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing or twice:
        what = f"has no column {', '.join(missing)}" if missing else f"has two columns {', '.join(twice)}"
        raise BadInputError(
            f"{file.name} {what}; nothing of it has landed",
            hint=f"compare it with {contract.file or contract.stream}",
        )


def _parquet(file: FoundFile, resource: FilesResource, contract: Contract, skip: int) -> Iterator[Piece]:
    with file.store.open_input_file(file.path) as source:
        opened = pq.ParquetFile(source)
        _expect_columns(file, contract, opened.schema_arrow.names)
        start = 0
        for batch in opened.iter_batches(_ROWS):
            rows = pa.Table.from_batches([batch]).slice(max(0, skip - start))
            first, start = max(start, skip), start + len(batch)
            if rows.num_rows:
                rows = _without_dictionaries(rows)
                records = ColumnRecords(rows=rows, contract=contract, zone=resource.zone)
                yield Piece(records=records, numbers=_numbers(first, start), next=start)


def _csv(file: FoundFile, resource: FilesResource, contract: Contract, skip: int) -> Iterator[Piece]:
    options = resource.csv
    names = list(options.columns) or _header(file, resource)
    _expect_columns(file, contract, names)
    first = 1 if options.columns else 2  # the number that Arrow gives to the first row of data
    broken: list[tuple[int, bytes, Failure]] = []

    def keep(row: pacsv.InvalidRow) -> str:
        said = f"has {row.actual_columns} cells, {row.expected_columns} are agreed"
        raw = msgspec.json.encode({"line": row.text})
        broken.append((row.number - first, raw, Failure(rule="csv", path="", message=f"the line {said}")))
        return "skip"

    start = 0
    with _open_csv(file, options, names, keep) as reader:
        for batch in reader:
            numbers = _passing_over(start, len(batch), {number for number, _, _ in broken})
            end = numbers[-1].as_py() + 1 if len(numbers) else start
            own = tuple(line for line in broken if skip <= line[0] < end)
            broken = [line for line in broken if line[0] >= end]
            start = end
            wanted = pc.greater_equal(numbers, skip)
            rows = pa.Table.from_batches([batch]).filter(wanted)
            if rows.num_rows or own:
                records = ColumnRecords(
                    rows=_as_text(rows), contract=contract, cells=True, zone=resource.zone
                )
                yield Piece(records=records, numbers=numbers.filter(wanted), next=end, broken=own)
    if left := tuple(line for line in broken if line[0] >= skip):
        empty = ColumnRecords(
            rows=_as_text(pa.table({n: pa.nulls(0, pa.binary()) for n in names})), contract=contract
        )
        yield Piece(records=empty, numbers=_numbers(0, 0), next=left[-1][0] + 1, broken=left)


def _open_csv(
    file: FoundFile, options: CsvOptions, names: Sequence[str], keep: Callable[[pacsv.InvalidRow], str]
) -> pacsv.CSVStreamingReader:
    """Open a stream of batches of bytes; lines that do not have the agreed cells go to `keep`."""
    return pacsv.open_csv(
        file.store.open_input_stream(file.path),
        read_options=pacsv.ReadOptions(
            block_size=_BLOCK, use_threads=False, column_names=list(options.columns) or None
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=_delimiter(file, options),
            quote_char=options.quote,
            newlines_in_values=True,
            invalid_row_handler=keep,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=list(options.null_values),
        ),
    )


def _delimiter(file: FoundFile, options: CsvOptions) -> str:
    return "\t" if file.path.endswith(".tsv") else options.delimiter


def _header(file: FoundFile, resource: FilesResource) -> list[str]:
    with file.store.open_input_stream(file.path) as stream:
        text = stream.read(1 << 20).decode("utf-8-sig", "replace")
    lines = text.splitlines()
    delimiter, quote = _delimiter(file, resource.csv), resource.csv.quote
    return next(csv.reader(lines, delimiter=delimiter, quotechar=quote), [])


def _json(file: FoundFile, resource: FilesResource, contract: Contract, skip: int) -> Iterator[Piece]:
    del resource, contract
    number, rest, begun = 0, b"", False
    with file.store.open_input_stream(file.path) as stream:
        while block := stream.read(_BLOCK):
            block = block if begun else block.removeprefix(b"\xef\xbb\xbf")
            if not begun and block.lstrip().startswith(b"["):
                whole = msgspec.json.decode(block + stream.read(), type=list[msgspec.Raw])
                yield from _lines([bytes(item) for item in whole], 0, skip)
                return
            begun = True
            *lines, rest = (rest + block).split(b"\n")
            yield from _lines(lines, number, skip)
            number += len(lines)
    yield from _lines([rest], number, skip)


def _lines(lines: list[bytes], start: int, skip: int) -> Iterator[Piece]:
    kept = [(n, line) for n, line in enumerate(lines, start) if n >= skip and line.strip()]
    if kept:
        numbers = pa.array([n for n, _ in kept], pa.int64())
        yield Piece(
            records=JsonRecords(tuple(line for _, line in kept)), numbers=numbers, next=start + len(lines)
        )


def _numbers(start: int, end: int) -> pa.Int64Array:
    return pa.arange(start, end)


def _passing_over(start: int, count: int, taken: set[int]) -> pa.Int64Array:
    """Give rows numbers from `start` on, leaving out those of broken lines."""
    if not taken:
        return _numbers(start, start + count)
    free = (n for n in range(start, start + count + len(taken)) if n not in taken)
    return pa.array([n for n, _ in zip(free, range(count), strict=False)], pa.int64())


def _as_text(rows: pa.Table) -> pa.Table:
    """Take cells as texts without looking at them: the check does, cell by cell."""
    columns = [
        pa.chunked_array(
            [
                pa.Array.from_buffers(pa.string(), len(c), c.buffers(), c.null_count, c.offset)
                for c in column.chunks
            ],
            pa.string(),
        )
        for column in rows.columns
    ]
    return pa.Table.from_arrays(columns, names=rows.column_names)


def _without_dictionaries(rows: pa.Table) -> pa.Table:
    for position, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(position, field.name, rows.column(position).cast(field.type.value_type))
    return rows

"""What each partition of a topic holds, from its first record to its last: a function of data and shift.

The order within a partition is that of event time, rows of the same second in the order of the
source; flaws stand before their hosts. So events that are not due yet are the end of each partition's
sequence, and the number of records in a partition says which record comes next. No file of progress
is needed, and none can be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from demo.calendar import Calendar
from demo.streams import KEY, Stream, partition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records in the order of production, as columns: objects would cost more than the text in them.

    `times` are event times in milliseconds since 1970.
    """

    partitions: list[int]
    keys: list[bytes]
    values: list[bytes]
    times: list[int]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRecord:
    """Where a flaw stands in the topic."""

    reason: str
    partition: int
    offset: int


class Sequence:
    """All records of one stream in the order in which they are produced."""

    def __init__(self, stream: Stream, calendar: Calendar, *, rows: pl.DataFrame | None = None) -> None:
        """Lay out the stream's source rows (or `rows` of that shape) under a calendar."""
        self.stream = stream
        rows = stream.load() if rows is None else rows
        self.source_rows = rows.height
        self._frame = _lay_out(stream, rows.with_columns(pl.col("at") + calendar.shift_seconds))
        self._rows = _rows_of(stream, self._frame)

    @property
    def size(self) -> int:
        """Source rows and planted records."""
        return self._frame.height

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of records of each partition."""
        return tuple(len(rows) for rows in self._rows)

    def planted(self) -> tuple[PlantedRecord, ...]:
        """Return where each flaw stands, in the order of production."""
        found = self._frame.filter(pl.col("flaw").is_not_null()).select("flaw", "partition", "place")
        return tuple(
            PlantedRecord(reason=self.stream.flaws[flaw].reason, partition=partition, offset=place)
            for flaw, partition, place in found.iter_rows()
        )

    def due(self, now_seconds: int) -> tuple[int, ...]:
        """Return how many records of each partition are due at a time (seconds since 1970)."""
        end = self._due_rows(now_seconds)
        return tuple(int(rows.search_sorted(end, side="left")) for rows in self._rows)

    def next_due(self, now_seconds: int) -> int | None:
        """Return when the first event after a time is due, in seconds since 1970; None when none is."""
        row = self._due_rows(now_seconds)
        return None if row == self.size else int(self._frame.item(row, "at"))

    def record(self, partition: int, place: int) -> Batch:
        """Return one record, by its partition and its offset there."""
        return self._encode(
            self._frame.filter((pl.col("partition") == partition) & (pl.col("place") == place))
        )

    def batches(self, start: tuple[int, ...], now_seconds: int, *, rows: int = 20_000) -> Iterator[Batch]:
        """Yield what is due and not yet in the log, at most `rows` records at a time.

        `start` is the number of records already in each partition.
        """
        starts = pl.Series(start, dtype=pl.UInt32)
        first = min(
            (own[place] for own, place in zip(self._rows, start, strict=True) if place < len(own)),
            default=self.size,
        )
        end = self._due_rows(now_seconds)
        for row in range(first, end, rows):
            part = self._frame.slice(row, min(rows, end - row))
            fresh = part.filter(pl.col("place") >= starts.gather(part["partition"]))
            if fresh.height:
                yield self._encode(fresh)

    def _due_rows(self, now_seconds: int) -> int:
        return int(self._frame["at"].search_sorted(now_seconds, side="right"))

    def _encode(self, frame: pl.DataFrame) -> Batch:
        columns = frame.select(
            "partition",
            pl.col(KEY).cast(pl.String).cast(pl.Binary).alias("key"),
            self.stream.value.alias("value"),
            (pl.col("at") * 1000).alias("time"),
        )
        values = columns["value"].to_list()
        for row in frame["flaw"].is_not_null().arg_true():
            values[row] = self.stream.flaws[frame.item(row, "flaw")].spoil(values[row])
        return Batch(
            partitions=columns["partition"].to_list(),
            keys=columns["key"].to_list(),
            values=values,
            times=columns["time"].to_list(),
        )


def _lay_out(stream: Stream, rows: pl.DataFrame) -> pl.DataFrame:
    """Sort by time and add `partition`, `place` (offset in it) and `flaw` (index, or null)."""
    households = rows[KEY].unique()
    partitions = [partition_of(str(household), stream.partitions) for household in households]
    if not rows["at"].is_sorted():  # the files are; a sort would hold them twice
        rows = rows.sort("at", maintain_order=True)
    rows = rows.with_columns(
        pl.col(KEY).replace_strict(households, partitions, return_dtype=pl.UInt8).alias("partition"),
        pl.lit(None, dtype=pl.Int8).alias("flaw"),
    )
    return _plant(stream, rows).with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt32).over("partition").alias("place")
    )


def _plant(stream: Stream, rows: pl.DataFrame) -> pl.DataFrame:
    """Put a copy of each flaw's host before it, marked with the flaw's index."""
    numbers = _rows_of(stream, rows)
    hosts = sorted(
        (numbers[flaw.partition][flaw.before], index)
        for index, flaw in enumerate(stream.flaws)
        if flaw.before < len(numbers[flaw.partition])
    )
    pieces, done = [], 0
    for host, index in hosts:
        copy = rows.slice(host, 1).with_columns(pl.lit(index, dtype=pl.Int8).alias("flaw"))
        pieces += [rows.slice(done, host - done), copy]
        done = host
    return pl.concat([*pieces, rows.slice(done)])


def _rows_of(stream: Stream, frame: pl.DataFrame) -> list[pl.Series]:
    """Return the row numbers of each partition, in order."""
    return [frame["partition"].eq(number).arg_true() for number in range(stream.partitions)]

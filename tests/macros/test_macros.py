"""The macros, as SQL that an engine runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one
from sqlmesh.core.macros import MacroEvaluator

from tests.fakes.project_macros import load

surrogate_key = load("keys").surrogate_key
utc_day = load("days").utc_day
days_shared = load("days").days_shared
ratio = load("rates").ratio
whole_ratio = load("rates").whole_ratio
money_sum = load("money").money_sum
EVALUATOR = MacroEvaluator("duckdb")


def run(sql: str, *, zone: str = "UTC") -> Any:
    """Give the single value of a query, read in a session of some time zone."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        row = connection.execute(sql).fetchone()
        assert row is not None
        return row[0]


def literal(value: str | None) -> exp.Expression:
    return exp.null() if value is None else exp.Literal.string(value)


def key_of(*values: str | None) -> str:
    return str(run(f"SELECT {surrogate_key(EVALUATOR, *map(literal, values)).sql('duckdb')}"))


fields = st.lists(st.none() | st.text(alphabet="a1:~- é", max_size=4), min_size=1, max_size=3)


@given(left=fields, right=fields)
def test_two_keys_are_equal_only_if_their_fields_are(left: list[str | None], right: list[str | None]) -> None:
    """Neither separators inside a field nor NULLs nor the number of fields make two rows meet."""
    assert (left == right) == (key_of(*left) == key_of(*right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("a:b", "c"), ("a", "b:c")),
        (("a-b", "c"), ("a", "b-c")),
        (("1:a", "b"), ("1", "a:b")),
        ((None, "a"), ("", "a")),
        ((None, "a"), ("a", None)),
        (("~",), (None,)),
        (("a", ""), ("a",)),
    ],
)
def test_pairs_that_a_separator_alone_would_mix_up_stay_apart(
    left: tuple[str | None, ...], right: tuple[str | None, ...]
) -> None:
    """The classic traps of joining fields with a dash."""
    assert key_of(*left) != key_of(*right)


def test_a_key_is_the_hash_of_length_colon_text() -> None:
    """The encoding is part of the published tables: changing it changes every key."""
    assert hashlib.md5(b"4:1029~2:26", usedforsecurity=False).hexdigest() == key_of("1029", None, "26")


def test_a_key_of_nothing_is_refused() -> None:
    """A key without fields would be the same for all rows."""
    with pytest.raises(ValueError, match="at least one field"):
        surrogate_key(EVALUATOR)


def test_a_key_is_written_for_trino_by_its_own_functions() -> None:
    """Trino hashes bytes and gives bytes: UTF-8 goes in, lower hexadecimals come out."""
    sql = surrogate_key(EVALUATOR, exp.column("household_id")).sql("trino")

    assert sql.startswith("LOWER(TO_HEX(MD5(TO_UTF8(")
    assert "CAST(household_id AS VARCHAR)" in sql


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-11-30 00:00:00+00:00", "2025-11-30"),
        ("2025-11-30 23:59:59.999999+00:00", "2025-11-30"),
        ("2025-12-01 01:30:00+02:00", "2025-11-30"),
        ("2025-11-30 20:00:00-05:00", "2025-12-01"),
    ],
)
def test_a_day_is_the_utc_day_in_every_session(zone: str, instant: str, day: str) -> None:
    """Where the reader sits doesn't move a sale to another day."""
    query = utc_day(EVALUATOR, exp.cast(exp.Literal.string(instant), "timestamptz"))

    assert day == str(run(f"SELECT {query.sql('duckdb')}", zone=zone))


def test_a_day_is_written_for_trino_in_utc() -> None:
    """Trino has a function for the clause."""
    sql = utc_day(EVALUATOR, exp.column("sold_at")).sql("trino")

    assert sql == "CAST(AT_TIMEZONE((sold_at), 'UTC') AS DATE)"


@given(cents=st.lists(st.integers(min_value=-(10**11), max_value=10**11), max_size=8))
def test_money_adds_up_to_the_cent(cents: list[int]) -> None:
    """Sums are exact; no rows give 0.00."""
    rows = ", ".join(f"({cent}::BIGINT)" for cent in cents) or "(NULL)"
    amount = parse_one("CAST(cents AS DECIMAL(18, 2)) / 100", dialect="duckdb")
    amount = exp.cast(amount, "decimal(12, 2)")
    total = run(f"SELECT {money_sum(EVALUATOR, amount).sql('duckdb')} FROM (VALUES {rows}) AS t(cents)")

    assert sum(cents) == int(total * 100)


def test_money_has_one_type_on_every_engine() -> None:
    """The precision is written down, not left to the engine."""
    sum_of_sales = money_sum(EVALUATOR, exp.column("sales_value"))

    assert (
        run(f"SELECT typeof({sum_of_sales.sql('duckdb')}) FROM (SELECT 1.00 AS sales_value)")
        == "DECIMAL(18,2)"
    )
    assert sum_of_sales.sql("trino") == "CAST(COALESCE(SUM(sales_value), 0) AS DECIMAL(18, 2))"


def _date(day: dt.date) -> exp.Expression:
    return exp.cast(exp.Literal.string(day.isoformat()), "date")


@given(days=st.lists(st.dates(dt.date(2026, 1, 1), dt.date(2026, 2, 1)), min_size=4, max_size=4))
def test_two_spans_share_the_days_that_lie_in_both(days: list[dt.date]) -> None:
    """Counted one by one; spans that are empty or turned round share none."""
    start, end, other_start, other_end = days
    one_by_one = sum(
        start <= day < end and other_start <= day < other_end
        for day in (dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range(40))
    )

    assert one_by_one == run(f"SELECT {days_shared(EVALUATOR, *map(_date, days)).sql('duckdb')}")


@given(amount=st.integers(0, 2**53), divisor=st.integers(0, 10**6))
def test_a_whole_ratio_is_rounded_down_and_missing_by_nothing(amount: int, divisor: int) -> None:
    """As whole numbers in Python; on both engines by the same operations."""
    found = whole_ratio(EVALUATOR, *(exp.Literal.number(number) for number in (amount, divisor)))

    assert run(f"SELECT {found.sql('duckdb')}") == (amount // divisor if divisor else None)


def test_a_whole_ratio_is_written_for_trino_without_a_rest() -> None:
    """Whether `/` is of whole numbers or of doubles, nothing is left to round."""
    sql = whole_ratio(EVALUATOR, exp.column("a"), exp.column("b")).sql("trino")

    assert sql.startswith("CAST(CAST(((a) - (a) % NULLIF(b, 0)) AS DOUBLE) / ")


def test_a_ratio_is_missing_where_there_is_nothing_to_divide_by() -> None:
    """No engine may fail or answer infinity."""
    by_nothing = ratio(EVALUATOR, exp.Literal.number(3), exp.Literal.number(0))

    assert run(f"SELECT {by_nothing.sql('duckdb')}") is None
    assert run(f"SELECT {ratio(EVALUATOR, *map(exp.Literal.number, (3, 2))).sql('duckdb')}") == 1.5
    assert by_nothing.sql("trino") == "CAST(3 AS DOUBLE) / CAST(NULLIF(0, 0) AS DOUBLE)"

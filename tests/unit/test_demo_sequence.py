"""What each partition holds is a function of data and shift alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest

from demo import data
from demo.calendar import Calendar
from demo.planted import drop, put
from demo.sequence import Sequence
from demo.streams import COUPON_REDEMPTIONS, TRANSACTIONS, partition_of

CALENDAR = Calendar.at(datetime(2026, 11, 23, 8, 5, tzinfo=UTC))
NOW = CALENDAR.now_seconds
FOREVER = NOW + 10**9


@pytest.fixture(scope="module")
def rows():
    return data.transactions()


@pytest.fixture(scope="module")
def transactions(rows):
    return Sequence(TRANSACTIONS, CALENDAR, rows=rows)


@pytest.fixture(scope="module")
def redemptions():
    return Sequence(COUPON_REDEMPTIONS, CALENDAR)


def log_of(sequence, start=None, now=FOREVER, **options):
    """Append batches to empty partitions, as a broker would."""
    start = start or (0,) * sequence.stream.partitions
    partitions = [[] for _ in start]
    for batch in sequence.batches(start, now, **options):
        for at, key, value, number in zip(
            batch.times, batch.keys, batch.values, batch.partitions, strict=True
        ):
            partitions[number].append((key, value, at))
    return partitions


def test_the_published_rows_are_all_there(rows, redemptions):
    """1,469,307 basket lines of 2,469 households, sorted, with whole cents of which none is negative."""
    assert rows.height == 1_469_307
    assert rows["household_id"].n_unique() == 2_469
    assert rows["at"].is_sorted()
    assert rows.select(pl.col(data.MONEY).min()).row(0) == (0, 0, 0, 0)
    assert redemptions.source_rows == 2_102


def test_no_cent_is_lost_or_invented(rows):
    """The published floats have at most two digits after the point."""
    published = pl.read_parquet(data._folder() / "transactions.parquet", columns=list(data.MONEY))

    for name in data.MONEY:
        assert (published[name] - rows[name] / 100).abs().max() < 1e-9


def test_most_is_due_and_the_rest_is_the_end_of_each_partition(transactions):
    """Up to about two in a hundred events are still to come."""
    due = transactions.due(NOW)

    assert sum(due) == 1_444_433
    assert transactions.size == 1_469_307 + 12
    assert 0.97 < sum(due) / transactions.size < 1
    assert all(0 < now < size for now, size in zip(due, transactions.sizes, strict=True))
    assert transactions.due(FOREVER) == transactions.sizes
    assert transactions.next_due(FOREVER) is None


def test_an_event_is_due_in_its_very_second(transactions):
    """Not a second earlier."""
    then = transactions.next_due(NOW)

    assert sum(transactions.due(then - 1)) == sum(transactions.due(NOW))
    assert sum(transactions.due(then)) > sum(transactions.due(NOW))


def test_redemptions_are_due_at_midnight_of_their_day(redemptions):
    """They carry only a date."""
    assert redemptions.next_due(NOW) % 86_400 == 0


def test_the_json_is_the_row(transactions):
    """Every field of the first event: money with two digits, time shifted and in UTC."""
    batch = next(transactions.batches((0, 0, 0, 0), FOREVER, rows=1))

    assert batch.values == [
        (
            b'{"household_id":900,"store_id":330,"basket_id":31198570044,"product_id":1095275,"quantity":1,'
            b'"sales_value":0.50,"retail_disc":0.00,"coupon_disc":0.00,"coupon_match_disc":0.00,"week":1,'
            b'"transaction_timestamp":"2025-11-30T11:53:26Z"}'
        )
    ]
    assert batch.keys == [b"900"]
    assert batch.partitions == [partition_of("900", 4)]
    assert batch.times == [int(datetime(2025, 11, 30, 11, 53, 26, tzinfo=UTC).timestamp() * 1000)]


def test_the_json_of_all_rows_adds_up(rows):
    """Decoded again, the amounts are those of the source, to the cent."""
    lines, dollars = 0, Decimal(0)
    for batch in Sequence(replace(TRANSACTIONS, flaws=()), CALENDAR, rows=rows).batches((0,) * 4, FOREVER):
        amounts = pl.Series(batch.values).cast(pl.String).str.extract(r'"sales_value":(\d+\.\d\d),')
        lines += amounts.count()
        dollars += amounts.cast(pl.Decimal(12, 2)).sum()

    assert lines == rows.height
    assert dollars == Decimal(int(rows["sales_value"].cast(pl.Int64).sum())) / 100


def test_partitions_are_in_the_order_of_time_and_keyed_by_household(redemptions):
    """A household is in one partition; flaws share their host's time."""
    for number, log in enumerate(log_of(redemptions)):
        assert all(before <= after for (_, _, before), (_, _, after) in pairwise(log))
        assert {partition_of(key.decode(), 2) for key, _, _ in log} == {number}
        assert len(log) == redemptions.sizes[number]


@pytest.mark.parametrize("start", [(0, 0), (1, 0), (10, 11), (500, 3), (1006, 0), (1006, 1100)])
def test_any_interrupted_log_is_continued_to_the_same_log(redemptions, start):
    """What is there already plus what comes is the whole, whatever each partition holds."""
    whole = log_of(redemptions)
    rest = log_of(redemptions, start, rows=97)

    assert [log[:end] + more for log, end, more in zip(whole, start, rest, strict=True)] == whole


def test_later_events_only_append(redemptions):
    """What is due now is a beginning of what is due later."""
    whole = log_of(redemptions)
    for days in (0, 1, 5, 40):
        now = log_of(redemptions, now=NOW - days * 86_400)
        assert now == [log[: len(part)] for log, part in zip(whole, now, strict=True)]
        assert tuple(map(len, now)) == redemptions.due(NOW - days * 86_400)


def test_the_same_week_gives_the_same_sequence(redemptions):
    """Two calendars of one shift differ only in what is due."""
    other = Sequence(COUPON_REDEMPTIONS, Calendar.at(CALENDAR.now + timedelta(days=3)))

    assert log_of(other) == log_of(redemptions)


def test_planted_records_stand_where_they_are_said_to(transactions, redemptions):
    """Each reason once, at its partition and offset, due long before the end."""
    for sequence, number in ((transactions, 12), (redemptions, 4)):
        planted = sequence.planted()
        assert len({flaw.reason for flaw in planted}) == len(planted) == number
        for flaw in planted:
            assert flaw.offset < sequence.due(NOW - 30 * 86_400)[flaw.partition]
            spoilt, host = (sequence.record(flaw.partition, flaw.offset + n) for n in (0, 1))
            assert (spoilt.keys, spoilt.times) == (host.keys, host.times)
            assert spoilt.values != host.values


def test_each_flaw_is_what_its_name_says(transactions, redemptions):
    """The one thing that is wrong with each planted record."""

    def spoilt(sequence, reason):
        flaw = next(f for f in sequence.planted() if f.reason == reason)
        return sequence.record(flaw.partition, flaw.offset).values[0]

    def read(reason, sequence=transactions):
        return json.loads(spoilt(sequence, reason), parse_float=Decimal)

    for sequence in (transactions, redemptions):
        with pytest.raises(json.JSONDecodeError):
            json.loads(spoilt(sequence, "json_cut_off"))
    with pytest.raises(UnicodeDecodeError):
        spoilt(transactions, "utf8_broken").decode()
    assert spoilt(transactions, "value_empty") == b""
    assert "basket_id" not in read("basket_id_missing")
    assert len(read("basket_id_missing")) == 10
    assert read("product_id_null")["product_id"] is None
    assert read("quantity_text")["quantity"] == "1"
    assert read("quantity_fraction")["quantity"] == Decimal("1.5")
    assert read("basket_id_overflow")["basket_id"] == 2**63
    assert read("sales_value_three_digits")["sales_value"] == Decimal("0.505")
    assert datetime.fromisoformat(read("timestamp_without_zone")["transaction_timestamp"]).tzinfo is None
    with pytest.raises(ValueError, match="Invalid isoformat"):
        datetime.fromisoformat(read("timestamp_unreadable")["transaction_timestamp"])
    assert isinstance(read("array_not_object"), list)
    assert "campaign_id" not in read("campaign_id_missing", redemptions)
    assert read("household_id_text", redemptions)["household_id"] == "A-1029"
    with pytest.raises(ValueError, match="day"):
        datetime.fromisoformat(read("date_impossible", redemptions)["redemption_date"])


def test_a_field_is_spoilt_wherever_it_stands():
    """First, middle and last field can be replaced and left out."""
    value = b'{"a":1,"b":"x","c":2.50}'

    assert put("a", b"null")(value) == b'{"a":null,"b":"x","c":2.50}'
    assert put("c", b'"y"')(value) == b'{"a":1,"b":"x","c":"y"}'
    assert [json.loads(drop(name)(value)) for name in "abc"] == [
        {"b": "x", "c": 2.5},
        {"a": 1, "c": 2.5},
        {"a": 1, "b": "x"},
    ]


def test_a_flaw_whose_host_is_missing_is_not_planted():
    """A short source has fewer flaws, never one in a wrong place."""
    rows = data.coupon_redemptions().head(100)
    sequence = Sequence(COUPON_REDEMPTIONS, CALENDAR, rows=rows)

    assert {flaw.reason for flaw in sequence.planted()} == {
        flaw.reason for flaw in COUPON_REDEMPTIONS.flaws if flaw.before <= 10
    }
    assert sequence.size == 102


def test_rows_out_of_order_are_brought_in_order(redemptions):
    """The order of the file decides only within the same second."""
    rows = data.coupon_redemptions()
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1).sort("coupon_upc")
    log = log_of(Sequence(COUPON_REDEMPTIONS, CALENDAR, rows=shuffled))

    assert [[at for _, _, at in part] for part in log] == [
        [at for _, _, at in part] for part in log_of(redemptions)
    ]


def test_the_partition_is_the_one_of_librdkafkas_consistent_partitioner():
    """CRC-32 of the key, so that any client with that partitioner agrees."""
    assert partition_of("123456789", 1_000_003) == 0xCBF43926 % 1_000_003

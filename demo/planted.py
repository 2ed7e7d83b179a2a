"""The known handful of bad records: each is a true event with one thing spoilt.

A flaw stands directly before its host, the event with row number `before` in its partition, and
takes the host's key, time and JSON text, so that nothing but the flaw is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Spoil = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One planted record: where it stands, what is wrong with it, and how it is made of its host."""

    reason: str
    partition: int
    before: int
    spoil: Spoil


def put(field: str, text: bytes) -> Spoil:
    """Give a field another value; `text` is JSON."""
    pattern = re.compile(rb'("%s":)[^,}]+' % field.encode())
    return lambda value: pattern.sub(lambda found: found[1] + text, value, count=1)


def drop(field: str) -> Spoil:
    """Leave a field out."""
    pattern = re.compile(rb'"%s":[^,}]+,?' % field.encode())
    return lambda value: pattern.sub(b"", value, count=1).replace(b",}", b"}")


def _without_zone(value: bytes) -> bytes:
    return value.replace(b'Z"}', b'"}')


def _as_array(value: bytes) -> bytes:
    return b"[" + value + b"]"


def _cut_off(value: bytes) -> bytes:
    return value[: len(value) // 2]


def _with_latin1_note(value: bytes) -> bytes:
    return value.replace(b"}", b',"note":"d\xe9j\xe0 vu"}')


def _empty(_value: bytes) -> bytes:
    return b""


TRANSACTION_FLAWS = (
    Flaw(reason="json_cut_off", partition=0, before=40, spoil=_cut_off),
    Flaw(reason="basket_id_missing", partition=1, before=75, spoil=drop("basket_id")),
    Flaw(reason="product_id_null", partition=2, before=2_500, spoil=put("product_id", b"null")),
    Flaw(reason="quantity_text", partition=3, before=19_999, spoil=put("quantity", b'"1"')),
    Flaw(reason="quantity_fraction", partition=0, before=50_000, spoil=put("quantity", b"1.5")),
    Flaw(
        reason="basket_id_overflow",
        partition=1,
        before=75_001,
        spoil=put("basket_id", b"9223372036854775808"),
    ),
    Flaw(reason="sales_value_three_digits", partition=2, before=120_000, spoil=put("sales_value", b"0.505")),
    Flaw(reason="timestamp_without_zone", partition=3, before=131_072, spoil=_without_zone),
    Flaw(
        reason="timestamp_unreadable",
        partition=0,
        before=180_000,
        spoil=put("transaction_timestamp", b'"31/12/17 11.53"'),
    ),
    Flaw(reason="utf8_broken", partition=1, before=200_000, spoil=_with_latin1_note),
    Flaw(reason="value_empty", partition=2, before=250_000, spoil=_empty),
    Flaw(reason="array_not_object", partition=3, before=250_000, spoil=_as_array),
)

REDEMPTION_FLAWS = (
    Flaw(reason="campaign_id_missing", partition=0, before=10, spoil=drop("campaign_id")),
    Flaw(reason="household_id_text", partition=1, before=10, spoil=put("household_id", b'"A-1029"')),
    Flaw(reason="date_impossible", partition=0, before=400, spoil=put("redemption_date", b'"2026-02-30"')),
    Flaw(reason="json_cut_off", partition=1, before=500, spoil=_cut_off),
)

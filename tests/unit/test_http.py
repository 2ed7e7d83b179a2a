"""Headers of HTTP answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lake.http import retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Monday, 23-Nov-26 12:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:00:30", 30.0),
        ("7", 7.0),
        ("²", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_count_or_a_date(header: str | None, seconds: float | None):
    """RFC 9110 allows both; what can't be read counts as no header."""
    assert retry_after(header, NOW) == seconds

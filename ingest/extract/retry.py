"""What an answer means for trying again: pure, so that every status and header can be tested."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Verdict(Enum):
    """What to do with an answer."""

    PAGE = "page"  # 200: read it
    UNCHANGED = "unchanged"  # 304: what we have is current
    AGAIN = "again"  # busy or broken for now
    REFUSED = "refused"  # the credentials are wrong
    WRONG = "wrong"  # asking again changes nothing


def judge(status: int) -> Verdict:
    """Classify an HTTP status."""
    if status == 200:
        return Verdict.PAGE
    if status == 304:
        return Verdict.UNCHANGED
    if status in _RETRIED:
        return Verdict.AGAIN
    if status in {401, 403, 407}:
        return Verdict.REFUSED
    return Verdict.WRONG


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 §10.2.3): a count or a date.

    None when there is none or it can't be read; a date that has passed asks for 0.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())

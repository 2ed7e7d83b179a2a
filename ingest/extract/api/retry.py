"""What an answer means for trying again: pure, so that every status can be tested."""

from __future__ import annotations

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
